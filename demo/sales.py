"""Purchases outside the web: deals of the sales people and sales at the till, with their amounts, times and rows.

Amounts are in cents of US dollars. What is made here feeds the files and the truth alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demo.actors import Actors
from demo.dice import Bools, Dice, Ints, Scatter, Texts, chance, padded
from demo.journey import BOUGHT, LOST, POS, SALES, Journey
from demo.lines import (
    MS_PER_DAY,
    choices,
    csv_rows,
    either,
    fixed,
    joined,
    local_dates,
    money,
    numbers,
    random_ids,
    stamps,
    texts,
)
from demo.places import CALENDAR_DAYS, places
from demo.plan import Plan
from demo.spoilt import BadRows, Problem, mixed
from demo.visits import EPOCH_MS, shop_moments

CARDS = ("VISA", "MASTERCARD", "AMEX", "CASH")
SHOPS = ("Central", "Harbour")
# Numbers reserved per chunk, several times what 20,000 people can use.
BLOCK = 500_000
DEAL_HEADER = "Record ID,Deal Name,Deal Stage,Amount,Currency,Create Date,Close Date,Associated Contact IDs"
SALE_HEADER = "Transaction ID,Date,Time,Time Zone,Location,Gross Sales,Discounts,Card Brand,Customer Reference ID"
NO_AMOUNT = "12,3O"
FUTURE_DATE = "2099-02-03"


@dataclass(frozen=True)
class Deals:
    """Deals that were closed, won or lost."""

    actor: Ints
    won: Bools
    cents: Ints
    created: Ints
    closed: Ints
    # Row of the journey's steps.
    step: Ints


@dataclass(frozen=True)
class Sales:
    """Sales at the till; `member` tells whether a card was shown."""

    actor: Ints
    at: Ints
    city: Ints
    cents: Ints
    member: Bools
    step: Ints


def draw_amounts(dice: Dice, actors: Actors, actor: Ints) -> Ints:
    """Cents spent: around what the actor usually spends, at least 2.50."""
    spent = actors.spend[actor] * np.exp(dice.normal(0, 0.55, len(actor)))
    return np.maximum(250, np.round(100 * spent)).astype(np.int64)


def make_deals(plan: Plan, actors: Actors, journey: Journey) -> Deals:
    """Deals of all attempts to buy through sales people."""
    dice = plan.dice("deals")
    steps = journey.steps
    step = np.flatnonzero((steps.attempt == SALES) & np.isin(steps.outcome, (BOUGHT, LOST)))
    actor = steps.actor[step]
    closed = shop_moments(dice, steps.day[step], actors.zone[actor])
    worked = (dice.gamma(2.0, 3.5, len(step)) * MS_PER_DAY).astype(np.int64) + 3_600_000
    return Deals(actor, steps.outcome[step] == BOUGHT, draw_amounts(dice, actors, actor), closed - worked, closed, step)


def make_sales(plan: Plan, actors: Actors, home_city: Ints, journey: Journey) -> Sales:
    """Sales at the till in the shops of the buyers' cities; `home_city` is per person."""
    dice = plan.dice("pos")
    steps = journey.steps
    step = np.flatnonzero((steps.attempt == POS) & (steps.outcome == BOUGHT))
    actor = steps.actor[step]
    at = shop_moments(dice, steps.day[step], actors.zone[actor])
    return Sales(actor, at, home_city[actor], draw_amounts(dice, actors, actor), steps.recorded[step], step)


def deal_rows(plan: Plan, deals: Deals, contact_ids: Texts) -> tuple[bytes, int, BadRows]:
    """CSV rows, their number and the bad ones; `contact_ids` is per deal."""
    dice, rules, chunk = plan.dice("deal rows"), plan.scenario.corruptions, plan.chunk
    problem = Problem("sales/deals.csv: negative amount", "BADD", rules.negative_amount)
    mix = mixed(dice, len(deals.actor), chunk, [problem])
    numbers_ = (700_000 + chunk * BLOCK + np.arange(len(deals.actor))).astype(np.str_)
    rows = mix.rows
    table = csv_rows([
        texts(mix.ids(numbers_)),
        numbers(dice.integers(10_000, 999_999, len(rows)), "Order "),
        choices(["closedlost", "closedwon"], deals.won[rows].astype(np.int64)),
        joined(choices(["", "-"], mix.problem), money(deals.cents[rows])),
        choices(["USD"], np.zeros(len(rows), np.int64)),
        stamps(deals.created[rows]),
        stamps(deals.closed[rows]),
        texts(contact_ids[rows]),
    ])  # fmt: skip
    return table, len(rows), mix.bad


def sale_rows(plan: Plan, sales: Sales, member_ids: Texts) -> tuple[bytes, int, BadRows]:
    """CSV rows, their number and the bad ones; `member_ids` is per sale, '' when no card was shown."""
    dice, rules, chunk = plan.dice("pos rows"), plan.scenario.corruptions, plan.chunk
    count = len(sales.actor)
    mix = mixed(dice, count, chunk, [
        Problem("pos/transactions.csv: date in the future", "BADT", rules.date_in_the_future),
        Problem("pos/transactions.csv: amount is not a number", "BADX", rules.amount_not_a_number),
    ])  # fmt: skip
    scatter = Scatter(plan.seed, "sale", plan.chunks * BLOCK, 10**10)
    good = padded(scatter(chunk * BLOCK + np.arange(count)), 10, "TX")
    rows = mix.rows
    tables = places()
    zone = tables.zone_of_city[sales.city[rows]]
    offset = tables.offset[zone, np.clip((sales.at[rows] - EPOCH_MS) // MS_PER_DAY, 0, CALENDAR_DAYS - 1)]
    date, clock = local_dates(sales.at[rows] + 1000 * offset)
    off = chance(dice, 0.2, count)
    shops = np.array(SHOPS)[dice.integers(0, len(SHOPS), count)]
    table = csv_rows([
        texts(mix.ids(good)),
        either(mix.problem == 1, FUTURE_DATE, date),
        clock,
        choices(tables.zones, zone),
        texts(np.strings.add(np.strings.add(tables.city[sales.city[rows]], " "), shops[rows])),
        either(mix.problem == 2, NO_AMOUNT, money(sales.cents[rows])),
        money(np.where(off, sales.cents // 10, 0)[rows]),
        choices(CARDS, dice.integers(0, len(CARDS), count)[rows]),
        texts(member_ids[rows]),
    ])  # fmt: skip
    return table, len(rows), mix.bad


def order_ids(dice: Dice, count: int) -> Any:
    """Ids of web orders: W and ten hex digits."""
    return joined("W", fixed(np.ascontiguousarray(random_ids(dice, count)[:, 24:34])))
