"""Support: the people who wrote, what they wrote, how long it took, and how they felt about it.

A ticket's text shows the mood in which it was written; the rating shows how the solution came. Slow means more than 72
hours; tickets not solved by the end of 2025 are open. Texts are put together from `data/texts.yaml` in six languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from demo.actors import Actors
from demo.archive import END_MS
from demo.dice import Bools, Dice, Floats, Ints, Texts, chance, cumulative, pick, within
from demo.journey import Journey
from demo.lines import choices, content, either, joined, json_or_null, json_text, numbers, stamps, texts
from demo.names import CULTURES
from demo.plan import Plan
from demo.records import Records
from demo.sales import BLOCK
from demo.sheets import sheet
from demo.visits import EPOCH_MS, shop_moments

HOUR = 3_600_000
SLOW_HOURS = 72
LANGUAGES = ("en", "es", "zh", "de", "fr", "ru")
TOPICS = ("Delivery", "Billing", "Return", "Payment", "Product question")
MOODS = ("bad", "plain", "good")
BAD, PLAIN, GOOD = range(3)
CHANNELS = ("email", "chat", "web", "voice")
PRIORITIES = ("low", "normal", "high")
_LANGUAGE_OF = {"spanish": "es", "chinese": "zh", "german": "de", "french": "fr", "russian": "ru"}


@dataclass(frozen=True)
class Tickets:
    """Tickets of a chunk; `solved` is after END_MS for open ones."""

    actor: Ints
    created: Ints
    solved: Ints
    topic: Ints
    mood: Ints
    upset: Bools


def make_tickets(plan: Plan, actors: Actors, journey: Journey) -> Tickets:
    """All tickets: when they were written and solved, about what and in which mood."""
    dice = plan.dice("tickets")
    steps = journey.steps
    step = np.flatnonzero(steps.ticket)
    size = len(step)
    actor = steps.actor[step]
    # After a failed payment people write on the next day.
    upset = steps.upset[step]
    created = shop_moments(dice, steps.day[step] + upset, actors.zone[actor])
    created = np.minimum(created + dice.integers(0, 3 * HOUR, size), END_MS - 1)
    fast = np.clip(dice.lognormal(2.4, 0.9, size), 0.2, SLOW_HOURS - 1)
    slow = SLOW_HOURS + 1 + dice.gamma(2.0, 45.0, size)
    hours = np.where(steps.slow[step], slow, fast)
    mood = np.where(upset, BAD, pick(dice, cumulative((0.34, 0.44, 0.22)), size))
    topic = np.where(upset, TOPICS.index("Payment"), pick(dice, cumulative((0.26, 0.17, 0.24, 0.1, 0.23)), size))
    return Tickets(actor, created, created + (hours * HOUR).astype(np.int64), topic, mood, upset)


def ticket_rows(plan: Plan, tickets: Tickets, culture: Ints, requesters: Texts) -> bytes:
    """JSON lines of all tickets; `culture` and `requesters` (record ids) are per ticket."""
    dice, rules, size = plan.dice("ticket rows"), plan.scenario.support, len(tickets.actor)
    own = np.array([LANGUAGES.index(_LANGUAGE_OF.get(name, "en")) for name in CULTURES])[culture]
    language = np.where(chance(dice, rules.writes_own_language, size), own, 0)
    words = _phrases()
    closed = tickets.solved < END_MS
    slow = tickets.solved - tickets.created > SLOW_HOURS * HOUR
    rated = closed & chance(dice, rules.rated, size)
    unhappy = chance(dice, np.where(slow, rules.unhappy_if_slow, rules.unhappy_if_fast), size)
    comments = rated & chance(dice, 0.45, size)
    comment = words.draw(dice, "comment", language, np.zeros(size, np.int64), np.where(unhappy, BAD, GOOD))
    solved = either(closed, joined('"', stamps(np.minimum(tickets.solved, END_MS - 1)), '"'), "null")
    score = np.where(rated, np.where(unhappy, "bad", "good"), "unoffered")
    lines = joined(
        '{"id": ', numbers(5_000 + plan.chunk * BLOCK + np.arange(size)),
        ', "created_at": "', stamps(tickets.created),
        '", "updated_at": "', stamps(np.where(closed, np.minimum(tickets.solved, END_MS - 1), tickets.created)),
        '", "solved_at": ', solved,
        ', "status": "', texts(np.where(closed, "solved", "open")),
        '", "priority": "', choices(PRIORITIES, np.where(tickets.upset, 2, dice.integers(0, 3, size))),
        '", "subject": "', texts(np.array(TOPICS)[tickets.topic]),
        '", "description": ', json_text(_descriptions(dice, words, language, tickets)),
        ', "requester_id": ', texts(requesters),
        ', "via": {"channel": "', texts(np.array(CHANNELS)[dice.integers(0, len(CHANNELS), size)]),
        '"}, "satisfaction_rating": {"score": "', texts(score),
        '", "comment": ', json_or_null(np.where(comments, comment, "")),
        '}, "tags": []}\n',
    )  # fmt: skip
    return content(lines)


def user_rows(users: Records, ids: Texts, created: Ints) -> bytes:
    """JSON lines of the people support knows."""
    return content(joined(
        '{"id": ', texts(ids), ', "name": ', json_text(users.full), ', "email": ', json_or_null(users.mail),
        ', "phone": ', json_or_null(users.phone), ', "created_at": "', stamps(created), '"}\n',
    ))  # fmt: skip


def first_day(tickets: Tickets, size: int) -> Floats:
    """The day of each person's first ticket, infinite without one: shape (size,)."""
    day = np.full(size, np.inf)
    np.minimum.at(day, tickets.actor, (tickets.created - EPOCH_MS) / (24 * HOUR))
    return day


class _Phrases:
    """All sentences in one array, by kind, language, topic and mood."""

    def __init__(self, blocks: dict[tuple[str, int, int, int], list[str]]) -> None:
        self._texts = np.array([text for block in blocks.values() for text in block])
        self._start: dict[str, Ints] = {}
        self._count: dict[str, Ints] = {}
        place = 0
        for (kind, language, topic, mood), block in blocks.items():
            shape = (len(LANGUAGES), len(TOPICS), len(MOODS))
            self._start.setdefault(kind, np.zeros(shape, np.int64))[language, topic, mood] = place
            self._count.setdefault(kind, np.zeros(shape, np.int64))[language, topic, mood] = len(block)
            place += len(block)

    def draw(self, dice: Dice, kind: str, language: Ints, topic: Ints, mood: Ints) -> Texts:
        """One sentence of a kind per row."""
        at = (language, topic, mood)
        return np.asarray(self._texts[within(dice, self._start[kind][at], self._count[kind][at])])


@lru_cache(maxsize=1)
def _phrases() -> _Phrases:
    languages = sheet("texts")
    blocks: dict[tuple[str, int, int, int], list[str]] = {}
    for place, language in enumerate(LANGUAGES):
        words = languages[language]
        for mood, label in enumerate(MOODS):
            for topic, subject in enumerate(TOPICS):
                sentences = words["topics"][subject][label]
                filled = [text.format(p=item) for text in sentences for item in words["products"]]
                blocks["problem", place, topic, mood] = filled
            blocks["feeling", place, 0, mood] = words["feelings"][label]
            blocks["closing", place, 0, mood] = words["closings"]
            blocks["comment", place, 0, mood] = words["comments"].get(label, words["comments"]["good"])
    return _Phrases(blocks)


def _descriptions(dice: Dice, words: _Phrases, language: Ints, tickets: Tickets) -> Texts:
    size = len(language)
    zero = np.zeros(size, np.int64)
    gap = np.where(language == LANGUAGES.index("zh"), "", " ")
    add = np.strings.add
    text = words.draw(dice, "problem", language, tickets.topic, tickets.mood)
    feeling = add(gap, words.draw(dice, "feeling", language, zero, tickets.mood))
    closing = add(gap, words.draw(dice, "closing", language, zero, zero))
    text = add(text, np.where(chance(dice, 0.6, size), feeling, ""))
    return np.asarray(add(text, np.where(chance(dice, 0.35, size), closing, "")))
