"""The web archive: clicks as lines of JSON, gzipped, one file a month in order of arrival.

Identify lines carry the traits the account had at that time. A few events arrive late or twice; a few lines are cut off
or say nothing about whom and when, and are listed as bad rows. Each chunk appends one gzip member to each month, so the
bytes of a file do not depend on the number of processes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.clicks import IDENTIFY, ORDER, Clicks, step_names
from demo.dice import Bools, Dice, Ints, chance, stream
from demo.lines import MS_PER_DAY, choices, content, either, fixed, json_text, joined, random_ids, stamps, texts
from demo.records import Records
from demo.scenario import DEVICES, Scenario
from demo.visits import CHANNELS, EPOCH_MS, Visits

END_MS = EPOCH_MS + 731 * MS_PER_DAY
MONTHS = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)]
_MONTH_STARTS = np.array([np.datetime64(f"{month}-01", "ms").astype(np.int64) for month in MONTHS] + [END_MS])
_LEAST_CUT, _MOST_CUT = 60, 120


@dataclass(frozen=True)
class Accounts:
    """Web accounts: the user id of each actor ('' for none), and the traits first and last known to the shop."""

    user_id: NDArray[np.str_]
    account_of: Ints
    before: Records
    after: Records
    changed: NDArray[np.float64]
    sends_phone: Bools


@dataclass
class WebCounts:
    """What a chunk wrote to the archive."""

    events: int = 0
    duplicates: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)


def file_name(month: str) -> str:
    """The month's file, relative to the world."""
    return f"web/events-{month}.jsonl.gz"


def write_archive(
    scenario: Scenario, seed: int, chunk: int, folder: Path, visits: Visits, clicks: Clicks,
    anonymous_ids: NDArray[np.str_], accounts: Accounts, orders: tuple[Any, Ints],
) -> WebCounts:  # fmt: skip
    """Write the chunk's member of each month's file into `folder`. `orders` are (order id, cents) by visit."""
    dice = stream(seed, chunk, "archive")
    rules = scenario.corruptions
    size = len(clicks.visit)
    received = clicks.at + dice.integers(0, 5_000, size)
    late = chance(dice, rules.late_event, size)
    received = np.where(late, received + dice.exponential(1.5 * MS_PER_DAY, size).astype(np.int64), received)
    received = np.minimum(received, END_MS - 1)
    order = np.argsort(received, kind="stable")
    twice = chance(dice, rules.duplicate_web_delivery, size)[order]
    ids = random_ids(dice, size)
    rows = np.repeat(order, 1 + twice)
    lines = _lines(visits, clicks, ids, received, anonymous_ids, accounts, orders, rows)
    counts = WebCounts(events=len(rows), duplicates=int(twice.sum()))
    bounds = np.searchsorted(received[rows], _MONTH_STARTS)
    plain = clicks.code[rows] != IDENTIFY
    for index, month in enumerate(MONTHS):
        first, last = int(bounds[index]), int(bounds[index + 1])
        bad = _bad_lines(dice, rules.truncated_json, rules.event_without_person, chunk, month, lines, plain, first, last, counts)
        _write_member(folder / file_name(month).removeprefix("web/"), lines, first, last, bad)
    return counts


def _lines(
    visits: Visits, clicks: Clicks, ids: NDArray[np.uint8], received: Ints, anonymous_ids: NDArray[np.str_],
    accounts: Accounts, orders: tuple[Any, Ints], rows: Ints,
) -> Any:  # fmt: skip
    import pyarrow as pa

    visit, code = clicks.visit[rows], clicks.code[rows]
    actor = visits.actor[visit]
    account = accounts.account_of[actor]
    users = pa.concat_arrays([texts([""]).cast(pa.large_string()), joined('","userId":"', texts(accounts.user_id))])
    user = users.take(pa.array(np.where(clicks.user[rows], account + 1, 0)))
    names = step_names()
    pages = np.array([name[0].islower() for name, _ in names])
    fixed_parts = [_event_part(name, step) for name, step in names]
    # The middle of a line: a page or event with its step, traits of an account, or an order.
    first_traits, first_order = len(names), len(names) + 2 * len(accounts.user_id)
    middles = pa.concat_arrays([texts(fixed_parts).cast(pa.large_string()), _traits(accounts), _orders(*orders)])
    day = (clicks.at[rows] - EPOCH_MS) / MS_PER_DAY
    later = (day >= accounts.changed[np.maximum(account, 0)]).astype(np.int64)
    middle = np.where(code == IDENTIFY, first_traits + 2 * account + later, np.where(code == ORDER, first_order + visit, code))
    head = np.where(code == IDENTIFY, 1, np.where((code >= 0) & pages[np.maximum(code, 0)], 2, 0))
    context = choices(_contexts(), visits.device[visit] * len(CHANNELS) + visits.channel[visit])
    return joined(
        choices([f'{{"type":"{kind}","messageId":"' for kind in ("track", "identify", "page")], head),
        fixed(ids[rows]),
        '","anonymousId":"',
        texts(anonymous_ids).take(pa.array(visits.anonymous[visit])),
        user,
        middles.take(pa.array(middle)),
        stamps(clicks.at[rows]),
        '","receivedAt":"',
        stamps(received[rows]),
        context,
    )


def _event_part(name: str, step: str) -> str:
    key = "name" if name[0].islower() else "event"
    return f'","{key}":"{name}","properties":{{"step":"{step}"}},"timestamp":"'


def _contexts() -> list[str]:
    """The end of a line for every device and channel; free channels have no campaign."""
    ends = []
    for device in DEVICES:
        for channel in CHANNELS:
            paid = channel not in ("organic", "direct")
            campaign = f'{{"source":"{channel}","medium":"{channel}"}}' if paid else "null"
            context = f'{{"userAgent":"{device}","campaign":{campaign},"channel":"{channel}"}}'
            ends.append(f'","context":{context}}}\n')
    return ends


def _traits(accounts: Accounts) -> Any:
    """Traits before and after the change of each account, alternating."""
    import pyarrow as pa

    sides = [_traits_of(side, accounts.sends_phone) for side in (accounts.before, accounts.after)]
    count = len(accounts.user_id)
    return pa.concat_arrays(sides).take(pa.array(np.arange(2 * count).reshape(2, count).T.reshape(-1)))


def _traits_of(records: Records, sends_phone: Bools) -> Any:
    import pyarrow.compute as pc

    parts: list[Any] = []
    columns = (("email", records.mail), ("firstName", records.first), ("lastName", records.last))
    for key, column in columns:
        parts.append(either(column == "", "", joined(f'"{key}":', json_text(column), ",")))
    shown = sends_phone & (records.phone != "")
    parts.append(either(~shown, "", joined('"phone":', json_text(records.phone), ",")))
    return joined('","traits":{', pc.utf8_rtrim(joined(*parts), ","), '},"timestamp":"')


def _orders(order_ids: Any, cents: Ints) -> Any:
    # Revenue is a JSON number, as the shop's own code sends it: 12.5, not 12.50.
    amount = texts((cents / 100).astype(np.str_))
    return joined(
        '","event":"Order Completed","properties":{"order_id":"', order_ids, '","revenue":', amount, ',"currency":"USD"},"timestamp":"'
    )


def _bad_lines(
    dice: Dice, cut_rate: float, lost_rate: float, chunk: int, month: str, lines: Any, plain: Bools, first: int, last: int,
    counts: WebCounts,
) -> list[tuple[int, bytes]]:  # fmt: skip
    """Lines to be put in before a row: (row, line). The first chunk has one of each kind in every month that has events."""
    if last <= first:
        return []
    least = 1 if chunk == 0 else 0
    cut, lost = (max(int(dice.binomial(last - first, rate)), least if rate else 0) for rate in (cut_rate, lost_rate))
    candidates = first + np.flatnonzero(plain[first:last])
    rows = np.sort(dice.choice(candidates, cut)) if len(candidates) else np.zeros(0, np.int64)
    places = dice.integers(_LEAST_CUT, _MOST_CUT, len(rows))
    bad = []
    for row, place in zip(rows.tolist(), places.tolist(), strict=True):
        line = content(lines.slice(row, 1)).decode()
        # A message of its own, not a second copy of a good one.
        start = line.index('"messageId":"') + 13
        message = random_ids(dice, 1).tobytes().decode()
        bad.append((row, (line[:start] + message + line[start + 36 :])[:place].encode() + b"\n"))
        counts.bad.append((f"{file_name(month)}: truncated JSON line", ""))
    for row in np.sort(dice.integers(first, last, lost)).tolist():
        message = f"badm{chunk * 10_000 + sum(1 for _, key in counts.bad if key) + 1}"
        line = f'{{"type": "track", "messageId": "{message}", "event": "Cart Viewed", "properties": {{}}, '
        bad.append((row, f'{line}"timestamp": "{month[:4]}-99-01T00:00:00Z"}}\n'.encode()))
        counts.bad.append((f"{file_name(month)}: no id and impossible timestamp", message))
    return sorted(bad, key=lambda item: item[0])


def _write_member(path: Path, lines: Any, first: int, last: int, bad: list[tuple[int, bytes]]) -> None:
    """One gzip member without name and time, so that equal lines are equal bytes."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        start = first
        for row, line in bad:
            file.write(packer.compress(content(lines.slice(start, row - start))))
            file.write(packer.compress(line))
            start = row
        file.write(packer.compress(content(lines.slice(start, last - start))))
        file.write(packer.flush())
