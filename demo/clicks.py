"""Clicks: the events of every visit, from a walk over the shop's pages to the checkout.

The walk is a Markov chain per stage (`data/clicks.yaml`), advanced for all visits at once. Checkout, login, error pages
and the chat are put in at fixed places of the visit. `n` events of a chunk lie in one table, ordered by visit and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from demo.dice import Bools, Dice, Floats, Ints, chance, pick_in_rows
from demo.journey import BOUGHT, Journey
from demo.plan import Plan
from demo.scenario import STAGES, Web
from demo.sheets import sheet
from demo.visits import Visits

IDENTIFY, ORDER = -1, -2
LONGEST_WALK = 14
# Places in a visit: the walk counts in tens from 0.
_LOGIN, _ERROR, _ACCOUNT, _CHECKOUT, _CHAT = 5, 200, 300, 400, 900


@dataclass(frozen=True)
class Clicks:
    """Events of a chunk; `code` indexes `step_names()` or is IDENTIFY or ORDER; `user` tells if a userId is sent."""

    visit: Ints
    code: Ints
    at: Ints
    user: Bools


@lru_cache(maxsize=1)
def step_names() -> tuple[tuple[str, str], ...]:
    """(event name, step) of every code, in the order of the codes."""
    return tuple((str(name), str(step)) for name, step in sheet("clicks")["steps"].items())


def code_of(name: str) -> int:
    """The code of an event name."""
    return [event for event, _ in step_names()].index(name)


def make_clicks(plan: Plan, visits: Visits, journey: Journey) -> Clicks:
    """All web events of a chunk."""
    dice, rules = plan.dice("clicks"), plan.scenario.web
    size = len(visits.step)
    everyone = np.arange(size)
    parts = [_walk(dice, visits.stage, everyone)]
    parts += _checkout_parts(dice, rules, visits, journey)
    place = np.where(visits.tries, _ACCOUNT, _LOGIN)
    noisy = everyone[chance(dice, rules.error_page, size)]
    parts.append((noisy, np.full(len(noisy), code_of("Error Page Viewed")), np.full(len(noisy), _ERROR)))
    logins = everyone[visits.logged_in]
    parts.append((logins, np.full(len(logins), IDENTIFY), place[logins]))
    visit, code, key = (np.concatenate([part[i] for part in parts]) for i in range(3))
    order = np.argsort(visit * 1000 + key, kind="stable")
    visit, code, key = visit[order], code[order], key[order]
    # Seconds between two clicks: at least one, 40 in the mean.
    gap = 1000 + (dice.exponential(40_000, len(visit))).astype(np.int64)
    first = np.concatenate([[True], visit[1:] != visit[:-1]]) if len(visit) else np.zeros(0, np.bool_)
    gap[first] = 0
    total = np.cumsum(gap)
    at = visits.start[visit] + total - np.repeat(total[first], np.diff(np.append(np.flatnonzero(first), len(visit))))
    user = visits.logged_in[visit] & (key >= place[visit])
    return Clicks(visit, code, at, user)


def _checkout_parts(dice: Dice, rules: Web, visits: Visits, journey: Journey) -> list[tuple[Ints, Ints, Ints]]:
    """Checkout and chat events: (visit, code, place in the visit)."""
    parts: list[tuple[Ints, Ints, Ints]] = []
    steps = journey.steps
    outcome, failed = steps.outcome[visits.step], steps.failed[visits.step]
    buys = np.flatnonzero(visits.tries)

    def add(rows: Ints, name: str | int, key: int) -> None:
        code = name if isinstance(name, int) else code_of(name)
        parts.append((rows, np.full(len(rows), code), np.full(len(rows), key)))

    for offset, name in enumerate(("Product Added", "Cart Viewed", "Checkout Step Completed")):
        add(buys, name, _CHECKOUT + 10 * offset)
    add(buys[chance(dice, rules.checkout_error, len(buys))], "Checkout Error", _CHECKOUT + 25)
    add(buys, "Payment Info Entered", _CHECKOUT + 30)
    add(np.flatnonzero(visits.tries & failed), "Payment Failed", _CHECKOUT + 40)
    add(np.flatnonzero(visits.tries & failed & (outcome == BOUGHT)), "Payment Info Entered", _CHECKOUT + 50)
    add(np.flatnonzero(visits.tries & (outcome == BOUGHT)), ORDER, _CHECKOUT + 60)
    chats = np.flatnonzero(steps.ticket[visits.step] & chance(dice, 0.3, len(visits.step)))
    add(chats, "Support Chat Started", _CHAT)
    return parts


@lru_cache(maxsize=1)
def _chains() -> tuple[Floats, Floats]:
    """Running sums of the first page, (stages, codes), and of the next one, (stages, codes, codes); the rest ends."""
    names = [name for name, _ in step_names()]
    start = np.zeros((len(STAGES), len(names)))
    after = np.zeros((len(STAGES), len(names), len(names)))
    pages = sheet("clicks")
    for stage, label in enumerate(STAGES):
        for page, row in pages.get(label, pages["awareness"]).items():
            for name, rate in row.items():
                if page == "start":
                    start[stage, names.index(name)] = rate
                else:
                    after[stage, names.index(page), names.index(name)] = rate
    return np.cumsum(start, axis=1) + 1e-9, np.cumsum(after, axis=2)


def _walk(dice: Dice, stage: Ints, everyone: Ints) -> tuple[Ints, Ints, Ints]:
    start, after = _chains()
    ends = start.shape[1]
    here, code = everyone, np.minimum(pick_in_rows(dice, start[stage]), ends - 1)
    visits, codes, keys = [here], [code], [np.zeros(len(here), np.int64)]
    for turn in range(1, LONGEST_WALK):
        code = pick_in_rows(dice, after[stage[here], code])
        here, code = here[code < ends], code[code < ends]
        visits.append(here)
        codes.append(code)
        keys.append(np.full(len(here), 10 * turn))
    return np.concatenate(visits), np.concatenate(codes), np.concatenate(keys)
