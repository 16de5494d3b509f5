"""What a perfect reader of the files would measure, and the facts of the world.

All counts are of what was written: recorded purchases only, tickets by their written times, payments by device. Chunks
share nobody, so their counts add up.
"""

from __future__ import annotations

import numpy as np

from demo.archive import END_MS
from demo.clicks import ORDER, Clicks, code_of
from demo.dice import Bools, Ints
from demo.lines import MS_PER_DAY
from demo.marketing import Assignments
from demo.scenario import DEVICES
from demo.tally import Tally
from demo.tickets import HOUR, SLOW_HOURS, Tickets
from demo.visits import Visits

HORIZON = 180 * MS_PER_DAY
SESSION = MS_PER_DAY


def observe(
    *, tickets: Tickets, assigned: Assignments, visits: Visits, clicks: Clicks, buyer: Ints, bought: Ints
) -> Tally:
    """The crude rates of one chunk. `buyer` and `bought` are actor and time of every recorded purchase."""
    tally = Tally()
    _tickets(tally, tickets, buyer, bought)
    _welcome(tally, assigned, buyer)
    _payments(tally, visits, clicks)
    return tally


def _tickets(tally: Tally, tickets: Tickets, buyer: Ints, bought: Ints) -> None:
    """Of tickets created 180 days before the end or earlier: no recorded purchase in the 180 days after, by speed."""
    old = tickets.created < END_MS - HORIZON
    stays_away = ~_followed(tickets.actor, tickets.created, buyer, bought, HORIZON)
    # Tickets still open are judged at the end.
    slow = np.minimum(tickets.solved, END_MS) - tickets.created > SLOW_HOURS * HOUR
    tally.count("no_purchase_180d_after_slow_ticket", stays_away[old & slow])
    tally.count("no_purchase_180d_after_fast_ticket", stays_away[old & ~slow])


def _welcome(tally: Tally, assigned: Assignments, buyer: Ints) -> None:
    """Of people in the experiment with a recorded purchase: two or more of them, by arm."""
    purchases = np.bincount(buyer, minlength=int(assigned.actor.max(initial=0)) + 1)[assigned.actor]
    for arm, name in ((1, "with"), (0, "without")):
        group = (assigned.arm == arm) & (purchases > 0)
        tally.count(f"repeat_purchase_{name}_welcome_mail", purchases[group] >= 2)


def _payments(tally: Tally, visits: Visits, clicks: Clicks) -> None:
    """Of failed payments: no order with the same anonymous id in the following 24 hours, by device."""
    failed = clicks.code == code_of("Payment Failed")
    orders = clicks.code == ORDER
    who = visits.anonymous[clicks.visit]
    abandoned = ~_followed(who[failed], clicks.at[failed], who[orders], clicks.at[orders], SESSION)
    mobile = visits.device[clicks.visit[failed]] == DEVICES.index("mobile")
    tally.count("abandoned_after_payment_failed_mobile", abandoned[mobile])
    tally.count("abandoned_after_payment_failed_other", abandoned[~mobile])


def _followed(who: Ints, when: Ints, other: Ints, then: Ints, horizon: int) -> Bools:
    """Whether the same `who` appears among `other` after `when` and at most `horizon` later."""
    if not len(other):
        return np.zeros(len(who), np.bool_)
    base = int(min(when.min(initial=END_MS), then.min()))
    span = 4 * 10**11
    keys = np.sort(other * span + (then - base))
    own = who * span + (when - base)
    place = np.searchsorted(keys, own, side="right")
    nearest = keys[np.minimum(place, len(keys) - 1)]
    return np.asarray((place < len(keys)) & (nearest <= own + horizon))
