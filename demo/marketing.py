"""Marketing: the randomised welcome mail and the newsletter.

The welcome mail goes to the treatment arm a few minutes after the first purchase; both arms are listed in
`experiments.csv`. The newsletter goes every few weeks to people who subscribed; neither opens nor clicks do anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from demo.archive import END_MS
from demo.dice import Dice, Ints, Texts, chance
from demo.lines import MS_PER_DAY, choices, csv_rows, numbers, stamps, texts
from demo.plan import Plan
from demo.sales import BLOCK
from demo.scenario import Marketing
from demo.visits import EPOCH_MS

EVENT_HEADER = "event_id,event,campaign,email,timestamp"
EXPERIMENT_HEADER = "experiment,email,arm,assigned_at"
EVENTS = ("sent", "open", "click", "unsubscribe")
CAMPAIGNS = ("welcome", "newsletter")
SENT, OPEN, CLICK, UNSUBSCRIBE = range(4)
MINUTE = 60_000


@dataclass(frozen=True)
class Assignments:
    """People in the experiment: their address, arm (0 control, 1 treatment) and the moment."""

    actor: Ints
    mail: Texts
    arm: Ints
    at: Ints


@dataclass(frozen=True)
class _Mails:
    event: Ints
    campaign: Ints
    mail: Texts
    at: Ints


class _Rates(NamedTuple):
    """Shares of the mails sent."""

    open: float
    click: float
    leave: float


def experiment_rows(assigned: Assignments) -> bytes:
    """CSV rows of the experiment."""
    return csv_rows([
        choices(["welcome_mail"], np.zeros(len(assigned.arm), np.int64)),
        texts(assigned.mail),
        choices(["control", "treatment"], assigned.arm),
        stamps(assigned.at),
    ])  # fmt: skip


def mail_rows(plan: Plan, assigned: Assignments, known: Texts, since: Ints) -> tuple[bytes, int]:
    """CSV rows of all mails and their number; `known` are good addresses of people and `since` when each got known."""
    dice, rules = plan.dice("mails"), plan.scenario.marketing
    parts = _welcome(dice, rules, assigned) + _newsletter(dice, rules, known, since)
    event, campaign, at = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("event", "campaign", "at")
    )
    mail = np.concatenate([part.mail for part in parts])
    inside = at < END_MS
    order = np.flatnonzero(inside)[np.argsort(at[inside], kind="stable")]
    rows = csv_rows([
        numbers(plan.chunk * BLOCK + np.arange(len(order)), "em_"),
        choices(EVENTS, event[order]),
        choices(CAMPAIGNS, campaign[order]),
        texts(mail[order]),
        stamps(at[order]),
    ])  # fmt: skip
    return rows, len(order)


def _welcome(dice: Dice, rules: Marketing, assigned: Assignments) -> list[_Mails]:
    treated = np.flatnonzero(assigned.arm == 1)
    sent = assigned.at[treated] + dice.integers(5 * MINUTE, 20 * MINUTE, len(treated))
    rates = _Rates(rules.welcome_open, rules.welcome_click, rules.unsubscribe)
    return _followed(dice, assigned.mail[treated], sent, 0, rates)


def _newsletter(dice: Dice, rules: Marketing, known: Texts, since: Ints) -> list[_Mails]:
    reader = np.flatnonzero(chance(dice, rules.newsletter_subscribed, len(known)))
    interval = int(rules.newsletter_every_days * MS_PER_DAY)
    issues = EPOCH_MS + np.arange(int(731 * MS_PER_DAY / interval) + 1) * interval + 9 * 60 * MINUTE
    leaves = chance(dice, rules.unsubscribe, len(reader) * len(issues)).reshape(len(reader), len(issues))
    gets = issues[None, :] > since[reader][:, None]
    leaves &= gets
    # A reader gets all issues up to and including the one that made them leave.
    gets &= (np.cumsum(leaves, axis=1) - leaves) == 0
    row, issue = np.nonzero(gets)
    sent = issues[issue] + dice.integers(0, 90 * MINUTE, len(row))
    mail = known[reader[row]]
    parts = _followed(dice, mail, sent, 1, _Rates(rules.newsletter_open, rules.newsletter_click, 0.0))
    gone = leaves[row, issue]
    parts.append(_part(UNSUBSCRIBE, 1, mail[gone], sent[gone] + dice.integers(MINUTE, 3 * MS_PER_DAY, int(gone.sum()))))
    return parts


def _followed(dice: Dice, mail: Texts, sent: Ints, campaign: int, rates: _Rates) -> list[_Mails]:
    """The mails sent and what follows on them."""
    size = len(sent)
    opened = chance(dice, rates.open, size)
    open_at = sent + (dice.exponential(9 * 60 * MINUTE, size)).astype(np.int64) + MINUTE
    clicked = opened & chance(dice, min(1.0, rates.click / rates.open) if rates.open else 0.0, size)
    left = chance(dice, rates.leave, size)
    return [
        _part(SENT, campaign, mail, sent),
        _part(OPEN, campaign, mail[opened], open_at[opened]),
        _part(CLICK, campaign, mail[clicked], (open_at + dice.integers(MINUTE // 6, 30 * MINUTE, size))[clicked]),
        _part(UNSUBSCRIBE, campaign, mail[left], (open_at + 45 * MINUTE)[left]),
    ]


def _part(event: int, campaign: int, mail: Texts, at: Ints) -> _Mails:
    return _Mails(np.full(len(at), event), np.full(len(at), campaign), mail, at)
