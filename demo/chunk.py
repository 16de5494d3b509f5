"""One chunk of a world: some people from birth to the last byte.

The chunk writes its part of every file into a folder of its own and reports counts; it knows nothing of other chunks.
Everything is determined by scenario, seed and the chunk's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demo import acquaintance, sales, spoilt, tickets
from demo.acquaintance import Meetings, Numbering
from demo.actors import Actors, make_actors
from demo.archive import Accounts, write_archive
from demo.clicks import IDENTIFY, ORDER, Clicks, make_clicks
from demo.corrupt import PLACEHOLDER_MAILS
from demo.dice import Bools, Dice, Ints, Texts, chance, stream
from demo.journey import Journey, walk
from demo.lines import MS_PER_DAY, csv_rows, either, numbers, stamps, texts
from demo.marketing import Assignments, experiment_rows, mail_rows
from demo.people import LAST_DAY, NEVER, People, make_people
from demo.records import POS, SALES, SOURCES, SUPPORT, WEB, Records, Wanted, make_records
from demo.scenario import Scenario
from demo.spoilt import BadRows, Problem
from demo.truth import observe
from demo.visits import EPOCH_MS, Visits, make_visits

PEOPLE_PER_CHUNK = 20_000
CONTACT_HEADER = (
    "Record ID,First Name,Last Name,Email,Phone Number,Date of Birth,Street Address,City,State/Region,Postal Code,"
    "Lifecycle Stage,Create Date,Marketing Consent"
)
CARD_HEADER = (
    "Reference ID,First Name,Last Name,Email Address,Phone Number,Street Address,Postal Code,Email Subscribed,Points Balance"
)
LEADS = np.array(["subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity"])
# Files in the order in which they are written; the header of CSV files, '' for JSON lines.
FILES = {
    "sales/contacts.csv": CONTACT_HEADER,
    "sales/deals.csv": sales.DEAL_HEADER,
    "support/users.jsonl": "",
    "support/tickets.jsonl": "",
    "pos/customers.csv": CARD_HEADER,
    "pos/transactions.csv": sales.SALE_HEADER,
    "marketing/email_events.csv": "event_id,event,campaign,email,timestamp",
    "marketing/experiments.csv": "experiment,email,arm,assigned_at",
    "truth/persons.csv": "source,source_record_id,person_id",
    "truth/anonymous.csv": "anonymous_id,person_id,ever_identified",
}


@dataclass(frozen=True)
class Task:
    """What a chunk needs to know; it travels to another process."""

    scenario: Scenario
    seed: int
    chunk: int
    total: int
    folder: Path

    @property
    def first(self) -> int:
        """Number of the chunk's first person."""
        return self.chunk * PEOPLE_PER_CHUNK

    @property
    def size(self) -> int:
        """People in the chunk."""
        return min(PEOPLE_PER_CHUNK, self.total - self.first)

    @property
    def numbering(self) -> Numbering:
        """The world's record ids."""
        return Numbering(self.seed, self.total, -(-self.total // PEOPLE_PER_CHUNK))


@dataclass
class ChunkReport:
    """Counts of what a chunk wrote."""

    counts: dict[str, int]
    bad: BadRows
    duplicates: int
    planted: tuple[dict[str, int], dict[str, int]]
    observed: tuple[dict[str, int], dict[str, int]]


def make_chunk(task: Task) -> ChunkReport:
    """Make one chunk and write its parts into `task.folder`, which is created."""
    return _Chunk(task).write()


class _Chunk:
    """The chunk on its way from people to files."""

    def __init__(self, task: Task) -> None:
        self.task = task
        scenario, seed, chunk = task.scenario, task.seed, task.chunk
        self.people: People = make_people(scenario, seed, chunk, task.first, task.size, task.total)
        self.actors: Actors = make_actors(scenario, seed, chunk, self.people)
        self.journey: Journey = walk(scenario, seed, chunk, self.actors)
        self.visits: Visits = make_visits(scenario, seed, chunk, self.actors, self.journey)
        self.clicks: Clicks = make_clicks(scenario, seed, chunk, self.visits, self.journey)
        self.deals = sales.make_deals(seed, chunk, self.actors, self.journey)
        home_city = self.people.addresses.city[self.people.home]
        self.sales = sales.make_sales(seed, chunk, self.actors, home_city, self.journey)
        self.tickets = tickets.make_tickets(scenario, seed, chunk, self.actors, self.journey)
        self.meetings: Meetings = acquaintance.meet(
            scenario, seed, chunk, task.numbering, self.people, self.actors, self.journey, self.visits, self.deals, self.sales,
            self.tickets,
        )  # fmt: skip
        self.records: Records = make_records(scenario, stream(seed, chunk, "records"), self.people, self.meetings.wanted)
        self.person_id = task.numbering.person(self.people.number)
        self.counts: dict[str, int] = {"persons": task.size}
        self.bad: BadRows = []

    def write(self) -> ChunkReport:
        """Write all parts."""
        self.task.folder.mkdir(parents=True)
        assigned = self._assignments()
        self._write_sales()
        self._write_support()
        self._write_pos()
        self._write_marketing(assigned)
        duplicates = self._write_web()
        self._write_truth()
        buyer, bought, _ = self._purchases()
        observed = observe(self.tickets, assigned, self.visits, self.clicks, buyer, bought, self.actors.size)
        planted = self.journey.planted
        return ChunkReport(
            self.counts, self.bad, duplicates, (planted.n, planted.hits), (dict(observed.n), dict(observed.hits))
        )

    def _save(self, name: str, rows: bytes) -> None:
        (self.task.folder / name.replace("/", "-")).write_bytes(rows)

    def _dice(self, name: str) -> Dice:
        return stream(self.task.seed, self.task.chunk, name)

    def _rows_of(self, source: int) -> Ints:
        return np.flatnonzero(self.meetings.wanted.source == source)

    def _purchases(self) -> tuple[Ints, Ints, Ints]:
        """Actor, time and step of every recorded purchase."""
        orders = np.flatnonzero(self.clicks.code == ORDER)
        visit = self.clicks.visit[orders]
        won, shown = self.deals.won, self.sales.member
        return (
            np.concatenate([self.visits.actor[visit], self.deals.actor[won], self.sales.actor[shown]]),
            np.concatenate([self.clicks.at[orders], self.deals.closed[won], self.sales.at[shown]]),
            np.concatenate([self.visits.step[visit], self.deals.step[won], self.sales.step[shown]]),
        )

    def _assignments(self) -> Assignments:
        """The experiment: the first recorded purchases of reachable people, a few minutes later."""
        steps = self.journey.steps
        actor, at, step = self._purchases()
        first = np.flatnonzero((steps.nth[step] == 1) & (self.journey.arm[actor] >= 0))
        first = first[np.argsort(actor[first])]
        good = np.flatnonzero(self.records.good_mail)
        good = good[np.argsort(self.records.person[good])]
        mail = np.strings.lower(self.records.mail[good])
        moment = at[first] + 5 * 60_000
        return Assignments(actor[first], mail, self.journey.arm[actor[first]], moment)

    def _write_sales(self) -> None:
        task, rules = self.task, self.task.scenario.corruptions
        dice = self._dice("contacts")
        rows = self._rows_of(SALES)
        records, ids = self.records.rows(rows), self.meetings.record_id[rows]
        problem = Problem("sales/contacts.csv: unparseable create date", "BADC", rules.unparseable_create_date)
        mix = spoilt.mixed(dice, len(rows), task.chunk, [problem])
        bought = np.bincount(self._purchases()[0], minlength=self.actors.size)[records.person] > 0
        stage = np.where(bought & chance(dice, 0.8, len(rows)), "customer", LEADS[dice.integers(0, len(LEADS), len(rows))])
        created = (EPOCH_MS + records.day * MS_PER_DAY).astype(np.int64)
        consent = _consent(dice, self._wishes(), records.person, "true", "false")
        order = mix.rows
        columns = [records.first, records.last, records.mail, records.phone, records.born, records.street, records.city,
                   records.region, records.postcode, stage]  # fmt: skip
        table = csv_rows([
            texts(mix.ids(ids)), *(texts(column[order]) for column in columns),
            either(mix.problem > 0, "not-a-date", stamps(created[order])), texts(consent[order]),
        ])  # fmt: skip
        self._save("sales/contacts.csv", table)
        contact = task.numbering.contact(self.people.number)
        table, self.counts["deals"], bad = sales.deal_rows(rules, task.seed, task.chunk, self.deals, contact[self.deals.actor])
        self._save("sales/deals.csv", table)
        self.counts["contacts"] = len(order)
        self.bad += mix.bad + bad

    def _wishes(self) -> Bools:
        return chance(self._dice("wishes"), 0.62, self.people.size)

    def _write_support(self) -> None:
        task = self.task
        rows = self._rows_of(SUPPORT)
        records = self.records.rows(rows)
        created = (EPOCH_MS + records.day * MS_PER_DAY).astype(np.int64)
        self._save("support/users.jsonl", tickets.user_rows(records, self.meetings.record_id[rows], created))
        actor = self.tickets.actor
        requesters = task.numbering.requester(self.people.number[actor])
        lines = tickets.ticket_rows(
            task.scenario, task.seed, task.chunk, self.tickets, self.people.culture[actor], requesters
        )
        self._save("support/tickets.jsonl", lines)
        self.counts |= {"support_users": len(rows), "tickets": len(actor)}

    def _write_pos(self) -> None:
        task = self.task
        dice = self._dice("cards")
        rows = self._rows_of(POS)
        records = self.records.rows(rows)
        table = csv_rows([
            texts(self.meetings.record_id[rows]), *(texts(column) for column in (
                records.first, records.last, records.mail, records.phone, records.street, records.postcode)),
            texts(_consent(dice, self._wishes(), records.person, "yes", "no")),
            numbers((dice.gamma(1.2, 260, len(rows))).astype(np.int64)),
        ])  # fmt: skip
        self._save("pos/customers.csv", table)
        # A sale after the second card was made goes to the second card.
        second_at = np.full(self.people.size, np.inf)
        seconds = rows[self.meetings.second[rows] == 1]
        second_at[self.records.person[seconds]] = EPOCH_MS + self.records.day[seconds] * MS_PER_DAY
        actor = self.sales.actor
        card = task.numbering.card(self.people.number[actor], (self.sales.at > second_at[actor]).astype(np.int64))
        member = np.where(self.sales.member, card, "")
        table, self.counts["pos_transactions"], bad = sales.sale_rows(
            task.scenario.corruptions, task.seed, task.chunk, task.total, self.sales, member
        )
        self._save("pos/transactions.csv", table)
        self.counts["pos_customers"] = len(rows)
        self.bad += bad

    def _write_marketing(self, assigned: Assignments) -> None:
        task, records = self.task, self.records
        usable = np.isin(records.source, (SALES, POS, WEB)) & (np.strings.find(records.mail, "@") > 0)
        rows = np.flatnonzero(usable & ~np.isin(np.strings.lower(records.mail), PLACEHOLDER_MAILS))
        # One address per person: the one of the experiment, else the first that came to be known; couples read one copy.
        rows = rows[np.lexsort((records.day[rows], ~records.good_mail[rows], records.person[rows]))]
        rows = rows[np.unique(records.person[rows], return_index=True)[1]]
        mail, where = np.unique(np.strings.lower(records.mail[rows]), return_index=True)
        since = (EPOCH_MS + records.day[rows[where]] * MS_PER_DAY).astype(np.int64)
        table, self.counts["email_events"] = mail_rows(task.scenario, task.seed, task.chunk, assigned, mail, since)
        self._save("marketing/email_events.csv", table)
        self._save("marketing/experiments.csv", experiment_rows(assigned))
        self.counts["experiment_people"] = len(assigned.actor)

    def _write_web(self) -> int:
        task = self.task
        orders = np.zeros(len(self.visits.step), np.int64)
        dice = self._dice("orders")
        buys = np.flatnonzero(self.visits.tries)
        orders[buys] = sales.draw_amounts(dice, self.actors, self.visits.actor[buys])
        count = int(self.visits.anonymous.max(initial=0)) + 1
        written = write_archive(
            task.scenario, task.seed, task.chunk, task.folder, self.visits, self.clicks,
            task.numbering.device(task.chunk, np.arange(count)), self._accounts(), (sales.order_ids(dice, len(orders)), orders),
        )  # fmt: skip
        self.counts["web_events"] = written.events
        self.bad += written.bad
        return written.duplicates

    def _accounts(self) -> Accounts:
        """Accounts with their traits when opened and after the last change of mail, phone or name."""
        rows = self._rows_of(WEB)
        wanted = self.meetings.wanted
        who, day = wanted.person[rows], wanted.day[rows]
        people = self.people
        changes = np.stack([people.married[who], people.mail_changed[who], people.phone_changed[who]])
        changes = np.where(changes > day, changes, NEVER)
        account_of = np.full(self.actors.size, -1, np.int64)
        account_of[who] = np.arange(len(rows))
        sides = [
            make_records(
                self.task.scenario, self._dice("accounts"), people,
                Wanted(wanted.source[rows], who, moment, wanted.good_mail[rows]),
            )
            for moment in (day, np.full(len(rows), LAST_DAY + 1))
        ]  # fmt: skip
        sends = chance(self._dice("traits"), self.task.scenario.web.phone_trait, len(rows))
        return Accounts(self.meetings.record_id[rows], account_of, sides[0], sides[1], changes.min(axis=0), sends)

    def _write_truth(self) -> None:
        meetings = self.meetings
        sources = np.array(SOURCES)[meetings.wanted.source]
        self._save("truth/persons.csv", csv_rows([
            texts(sources), texts(meetings.record_id), texts(self.person_id[meetings.wanted.person]),
        ]))  # fmt: skip
        pairs = np.unique(self.visits.anonymous * (self.actors.size + 1) + self.visits.actor)
        device, actor = np.divmod(pairs, self.actors.size + 1)
        named = np.unique(self.visits.anonymous[self.clicks.visit[self.clicks.code == IDENTIFY]])
        persons = np.concatenate([self.person_id, np.array([""])])
        self._save("truth/anonymous.csv", csv_rows([
            texts(self.task.numbering.device(self.task.chunk, device)),
            texts(persons[np.minimum(actor, self.people.size)]),
            texts(np.where(np.isin(device, named), "yes", "no")),
        ]))  # fmt: skip


def _consent(dice: Dice, wishes: Bools, person: Ints, yes: str, no: str) -> Texts:
    """What a source noted about marketing consent: nothing for a quarter, mostly the person's wish for others."""
    size = len(person)
    wish = wishes[person] ^ chance(dice, 0.08, size)
    stated: Any = np.where(wish, yes, no)
    return np.where(chance(dice, 0.25, size), "", stated)
