"""Web events as lines of JSON, in the order of keys of the event specification.

A line is a handful of ready-made pieces (what happened, on which device, whose traits) glued around ids and times;
pieces are made once and looked up for each event. Identify lines carry the traits the account had at that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.clicks import IDENTIFY, ORDER, Clicks, step_names
from demo.dice import Bools, Floats, Ints, Texts
from demo.lines import MS_PER_DAY, choices, either, fixed, joined, json_text, stamps, texts
from demo.records import Records
from demo.scenario import DEVICES
from demo.visits import CHANNELS, EPOCH_MS, Visits

_FREE_CHANNELS = ("organic", "direct")


@dataclass(frozen=True)
class Accounts:
    """User ids, the account of each actor (-1 for none), and what the shop knew before and after a change."""

    user_id: Texts
    account_of: Ints
    before: Records
    after: Records
    # Day of the change; before it the first traits hold.
    changed: Floats
    sends_phone: Bools


@dataclass(frozen=True)
class Orders:
    """Order ids (Arrow strings) and cents, one per visit, of use where the visit ends in an order."""

    ids: Any
    cents: Ints


@dataclass(frozen=True)
class Composer:
    """Composes lines from the facts of a chunk; `devices` are anonymous ids by number."""

    visits: Visits
    clicks: Clicks
    devices: Texts
    accounts: Accounts
    orders: Orders

    def lines(self, rows: Ints, ids: NDArray[np.uint8], received: Ints) -> Any:
        """The lines of some clicks (one may be asked for twice), with their message ids and times of arrival."""
        import pyarrow as pa

        visit, code, at = self.clicks.visit[rows], self.clicks.code[rows], self.clicks.at[rows]
        account = self.accounts.account_of[self.visits.actor[visit]]
        users = pa.concat_arrays([texts([""]), joined('","userId":"', texts(self.accounts.user_id))])
        pages = np.array([_is_page(name) for name, _ in step_names()])
        kind = np.where(code == IDENTIFY, 1, np.where((code >= 0) & pages[np.maximum(code, 0)], 2, 0))
        return joined(
            choices([f'{{"type":"{name}","messageId":"' for name in ("track", "identify", "page")], kind),
            fixed(ids),
            '","anonymousId":"',
            texts(self.devices).take(pa.array(self.visits.anonymous[visit])),
            users.take(pa.array(np.where(self.clicks.user[rows], account + 1, 0))),
            self._middles(visit, code, at, account),
            stamps(at),
            '","receivedAt":"',
            stamps(received),
            choices(_contexts(), self.visits.device[visit] * len(CHANNELS) + self.visits.channel[visit]),
        )

    def _middles(self, visit: Ints, code: Ints, at: Ints, account: Ints) -> Any:
        """What happened: a page or event with its step, the traits of an account, or an order."""
        import pyarrow as pa

        steps = texts([_event(name, step) for name, step in step_names()])
        traits = [_traits(side, self.accounts.sends_phone) for side in (self.accounts.before, self.accounts.after)]
        pieces = pa.concat_arrays([steps, *traits, _order_pieces(self.orders)])
        count = len(self.accounts.user_id)
        # Visitors have no account; the appended day is never looked at.
        changed = np.append(self.accounts.changed, 0.0)[account]
        trait = len(steps) + account + count * ((at - EPOCH_MS) / MS_PER_DAY >= changed)
        order = len(steps) + 2 * count + visit
        return pieces.take(pa.array(np.where(code == IDENTIFY, trait, np.where(code == ORDER, order, code))))


def _is_page(name: str) -> bool:
    """Pages are written small, events like titles."""
    return name[0].islower()


def _event(name: str, step: str) -> str:
    key = "name" if _is_page(name) else "event"
    return f'","{key}":"{name}","properties":{{"step":"{step}"}},"timestamp":"'


def _contexts() -> list[str]:
    """The end of a line for every device and channel; free channels have no campaign."""
    ends = []
    for device in DEVICES:
        for channel in CHANNELS:
            paid = f'{{"source":"{channel}","medium":"{channel}"}}'
            campaign = "null" if channel in _FREE_CHANNELS else paid
            context = f'{{"userAgent":"{device}","campaign":{campaign},"channel":"{channel}"}}'
            ends.append(f'","context":{context}}}\n')
    return ends


def _traits(records: Records, sends_phone: Bools) -> Any:
    import pyarrow.compute as pc

    columns = (
        ("email", records.mail, records.mail != ""),
        ("firstName", records.first, records.first != ""),
        ("lastName", records.last, records.last != ""),
        ("phone", records.phone, sends_phone & (records.phone != "")),
    )
    parts = [either(there, joined(f'"{key}":', json_text(column), ","), "") for key, column, there in columns]
    return joined('","traits":{', pc.utf8_rtrim(joined(*parts), ","), '},"timestamp":"')


def _order_pieces(orders: Orders) -> Any:
    # Revenue is a JSON number: 12.5, not 12.50.
    amount = texts((orders.cents / 100).astype(np.str_))
    start, end = '","event":"Order Completed","properties":{"order_id":"', ',"currency":"USD"},"timestamp":"'
    return joined(start, orders.ids, '","revenue":', amount, end)
