"""One chunk of a world: some people from birth to the last purchase.

A chunk is built from its plan alone and knows nothing of other chunks; `writers` turns it into parts of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.acquaintance import Encounters, Meetings, Numbering, meet
from demo.actors import Actors, make_actors
from demo.clicks import ORDER, Clicks, make_clicks
from demo.dice import Ints, Texts
from demo.journey import Journey, walk
from demo.marketing import Assignments
from demo.people import People, make_people
from demo.plan import Plan
from demo.records import Records, make_records
from demo.sales import Deals, Sales, make_deals, make_sales
from demo.tickets import Tickets, make_tickets
from demo.visits import Visits, make_visits

MINUTES_TO_ASSIGN = 5 * 60_000


@dataclass(frozen=True)
class Purchases:
    """Recorded purchases of all channels: who, when, and in which step of the journey."""

    actor: Ints
    at: Ints
    step: Ints


@dataclass(frozen=True)
class Chunk:
    """All there is to know about some people."""

    plan: Plan
    numbering: Numbering
    people: People
    actors: Actors
    journey: Journey
    visits: Visits
    clicks: Clicks
    deals: Deals
    sales: Sales
    tickets: Tickets
    meetings: Meetings
    records: Records
    person_id: Texts
    purchases: Purchases
    assigned: Assignments


def build(plan: Plan) -> Chunk:
    """Throw all dice of a chunk."""
    numbering = Numbering(plan)
    people = make_people(plan)
    actors = make_actors(plan, people)
    journey = walk(plan, actors)
    visits = make_visits(plan, actors, journey)
    clicks = make_clicks(plan, visits, journey)
    deals = make_deals(plan, actors, journey)
    sales = make_sales(plan, actors, people.addresses.city[people.home], journey)
    tickets = make_tickets(plan, actors, journey)
    encounters = Encounters(people, actors, journey, visits, deals, sales, tickets)
    meetings = meet(plan, numbering, encounters)
    records = make_records(plan.scenario, plan.dice("records"), people, meetings.wanted)
    purchases = _purchases(visits, clicks, deals, sales)
    return Chunk(
        plan=plan, numbering=numbering, people=people, actors=actors, journey=journey, visits=visits, clicks=clicks,
        deals=deals, sales=sales, tickets=tickets, meetings=meetings, records=records,
        person_id=numbering.person(people.number), purchases=purchases, assigned=_assign(journey, records, purchases),
    )  # fmt: skip


def _purchases(visits: Visits, clicks: Clicks, deals: Deals, sales: Sales) -> Purchases:
    orders = np.flatnonzero(clicks.code == ORDER)
    visit = clicks.visit[orders]
    return Purchases(
        np.concatenate([visits.actor[visit], deals.actor[deals.won], sales.actor[sales.member]]),
        np.concatenate([clicks.at[orders], deals.closed[deals.won], sales.at[sales.member]]),
        np.concatenate([visits.step[visit], deals.step[deals.won], sales.step[sales.member]]),
    )


def _assign(journey: Journey, records: Records, purchases: Purchases) -> Assignments:
    """The experiment: people whose first recorded purchase left a good address, a few minutes after it."""
    first = np.flatnonzero((journey.steps.nth[purchases.step] == 1) & (journey.arm[purchases.actor] >= 0))
    first = first[np.argsort(purchases.actor[first])]
    # Exactly the records with a good address belong to these people, one each.
    good = np.flatnonzero(records.good_mail)
    good = good[np.argsort(records.person[good])]
    actor = purchases.actor[first]
    mail = np.strings.lower(records.mail[good])
    return Assignments(actor, mail, journey.arm[actor], purchases.at[first] + MINUTES_TO_ASSIGN)
