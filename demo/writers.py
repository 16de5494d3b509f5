"""From a chunk to its parts of the files, in the formats of the source systems, with counts and bad rows.

Every function writes the parts of one source into `folder`, which holds one file per file of the world, and returns
what it counted. A name in `FILES` with a header is CSV.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from demo import marketing, sales, tickets
from demo.archive import write_archive
from demo.chunk import Chunk
from demo.clicks import IDENTIFY
from demo.corrupt import PLACEHOLDER_MAILS
from demo.dice import Bools, Dice, Ints, Texts, chance
from demo.lines import MS_PER_DAY, csv_rows, either, numbers, stamps, texts
from demo.people import LAST_DAY, NEVER
from demo.records import POS, SALES, SOURCES, SUPPORT, WEB, Wanted, make_records
from demo.spoilt import BadRows, Problem, mixed
from demo.visits import EPOCH_MS
from demo.weblines import Accounts, Composer, Orders

CONTACT_HEADER = (
    "Record ID,First Name,Last Name,Email,Phone Number,Date of Birth,Street Address,City,State/Region,Postal Code,"
    "Lifecycle Stage,Create Date,Marketing Consent"
)
CARD_HEADER = (
    "Reference ID,First Name,Last Name,Email Address,Phone Number,Street Address,Postal Code,Email Subscribed,"
    "Points Balance"
)
FILES = {
    "sales/contacts.csv": CONTACT_HEADER,
    "sales/deals.csv": sales.DEAL_HEADER,
    "support/users.jsonl": "",
    "support/tickets.jsonl": "",
    "pos/customers.csv": CARD_HEADER,
    "pos/transactions.csv": sales.SALE_HEADER,
    "marketing/email_events.csv": marketing.EVENT_HEADER,
    "marketing/experiments.csv": marketing.EXPERIMENT_HEADER,
    "truth/persons.csv": "source,source_record_id,person_id",
    "truth/anonymous.csv": "anonymous_id,person_id,ever_identified",
}
LEADS = np.array(["subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity"])
# What people want, what systems do not know, and how often a system has it wrong.
WISH_MAIL, NOT_STATED, MISSTATED = 0.62, 0.25, 0.08


@dataclass
class Written:
    """Rows by entity, bad rows, and web events delivered twice."""

    counts: dict[str, int] = field(default_factory=dict)
    bad: BadRows = field(default_factory=list)
    duplicates: int = 0


def part_name(name: str) -> str:
    """The file of a chunk's part of `name`."""
    return name.replace("/", "-")


def write_chunk(chunk: Chunk, folder: Path) -> Written:
    """Write all parts of a chunk into `folder`, which is created."""
    folder.mkdir()
    written = Written(counts={"persons": chunk.people.size})
    steps: tuple[Callable[[Chunk, Path, Written], None], ...] = (
        _contacts, _deals, _support, _cards, _tills, _marketing, _web, _truth,
    )  # fmt: skip
    for step in steps:
        step(chunk, folder, written)
    return written


def _save(folder: Path, name: str, rows: bytes) -> None:
    (folder / part_name(name)).write_bytes(rows)


def _rows_of(chunk: Chunk, source: int) -> Ints:
    return np.flatnonzero(chunk.meetings.wanted.source == source)


def _moments(days: Any) -> Ints:
    return np.asarray(EPOCH_MS + days * MS_PER_DAY, dtype=np.int64)


def _consents(chunk: Chunk, dice: Dice, person: Ints, labels: tuple[str, str]) -> Texts:
    """What a source noted about marketing consent ('' when nothing): mostly the person's wish."""
    wishes: Bools = chance(chunk.plan.dice("wishes"), WISH_MAIL, chunk.people.size)
    stated = wishes[person] ^ chance(dice, MISSTATED, len(person))
    return np.where(chance(dice, NOT_STATED, len(person)), "", np.where(stated, *labels))


def _contacts(chunk: Chunk, folder: Path, written: Written) -> None:
    dice = chunk.plan.dice("contacts")
    rows = _rows_of(chunk, SALES)
    records, size = chunk.records.rows(rows), len(rows)
    rate = chunk.plan.scenario.corruptions.unparseable_create_date
    problem = Problem("sales/contacts.csv: unparseable create date", "BADC", rate)
    mix = mixed(dice, size, chunk.plan.chunk, [problem])
    customer = np.isin(records.person, chunk.purchases.actor) & chance(dice, 0.8, size)
    stage = np.where(customer, "customer", LEADS[dice.integers(0, len(LEADS), size)])
    consent = _consents(chunk, dice, records.person, ("true", "false"))
    order = mix.rows
    columns = [
        records.first, records.last, records.mail, records.phone, records.born, records.street, records.city,
        records.region, records.postcode, stage,
    ]  # fmt: skip
    created = either(mix.problem > 0, "not-a-date", stamps(_moments(records.day)[order]))
    ids = mix.ids(chunk.meetings.record_id[rows])
    table = csv_rows([texts(ids), *(texts(column[order]) for column in columns), created, texts(consent[order])])
    _save(folder, "sales/contacts.csv", table)
    written.counts["contacts"] = len(order)
    written.bad += mix.bad


def _deals(chunk: Chunk, folder: Path, written: Written) -> None:
    contact = chunk.numbering.contact(chunk.people.number)
    table, written.counts["deals"], bad = sales.deal_rows(chunk.plan, chunk.deals, contact[chunk.deals.actor])
    _save(folder, "sales/deals.csv", table)
    written.bad += bad


def _support(chunk: Chunk, folder: Path, written: Written) -> None:
    rows = _rows_of(chunk, SUPPORT)
    records = chunk.records.rows(rows)
    users = tickets.user_rows(records, chunk.meetings.record_id[rows], _moments(records.day))
    _save(folder, "support/users.jsonl", users)
    actor = chunk.tickets.actor
    requesters = chunk.numbering.requester(chunk.people.number[actor])
    lines = tickets.ticket_rows(chunk.plan, chunk.tickets, chunk.people.culture[actor], requesters)
    _save(folder, "support/tickets.jsonl", lines)
    written.counts |= {"support_users": len(rows), "tickets": len(actor)}


def _cards(chunk: Chunk, folder: Path, written: Written) -> None:
    dice = chunk.plan.dice("cards")
    rows = _rows_of(chunk, POS)
    records = chunk.records.rows(rows)
    columns = (records.first, records.last, records.mail, records.phone, records.street, records.postcode)
    table = csv_rows([
        texts(chunk.meetings.record_id[rows]),
        *(texts(column) for column in columns),
        texts(_consents(chunk, dice, records.person, ("yes", "no"))),
        numbers(dice.gamma(1.2, 260, len(rows)).astype(np.int64)),
    ])  # fmt: skip
    _save(folder, "pos/customers.csv", table)
    written.counts["pos_customers"] = len(rows)


def _tills(chunk: Chunk, folder: Path, written: Written) -> None:
    # A sale after the second card was made goes to the second card.
    second_at = np.full(chunk.people.size, np.inf)
    seconds = np.flatnonzero(chunk.meetings.second == 1)
    second_at[chunk.records.person[seconds]] = _moments(chunk.records.day[seconds])
    actor = chunk.sales.actor
    card = chunk.numbering.card(chunk.people.number[actor], (chunk.sales.at > second_at[actor]).astype(np.int64))
    member = np.where(chunk.sales.member, card, "")
    table, written.counts["pos_transactions"], bad = sales.sale_rows(chunk.plan, chunk.sales, member)
    _save(folder, "pos/transactions.csv", table)
    written.bad += bad


def _marketing(chunk: Chunk, folder: Path, written: Written) -> None:
    records = chunk.records
    usable = np.isin(records.source, (SALES, POS, WEB)) & (np.strings.find(records.mail, "@") > 0)
    rows = np.flatnonzero(usable & ~np.isin(np.strings.lower(records.mail), PLACEHOLDER_MAILS))
    # One address per person: the one of the experiment, else the first that came to be known. A couple's is read once.
    rows = rows[np.lexsort((records.day[rows], ~records.good_mail[rows], records.person[rows]))]
    rows = rows[np.unique(records.person[rows], return_index=True)[1]]
    mail, where = np.unique(np.strings.lower(records.mail[rows]), return_index=True)
    since = _moments(records.day[rows[where]])
    table, written.counts["email_events"] = marketing.mail_rows(chunk.plan, chunk.assigned, mail, since)
    _save(folder, "marketing/email_events.csv", table)
    _save(folder, "marketing/experiments.csv", marketing.experiment_rows(chunk.assigned))


def _web(chunk: Chunk, folder: Path, written: Written) -> None:
    dice = chunk.plan.dice("orders")
    visits = chunk.visits
    cents = np.zeros(len(visits.step), np.int64)
    buys = np.flatnonzero(visits.tries)
    cents[buys] = sales.draw_amounts(dice, chunk.actors, visits.actor[buys])
    devices = chunk.numbering.device(np.arange(int(visits.anonymous.max(initial=0)) + 1))
    orders = Orders(sales.order_ids(dice, len(cents)), cents)
    archive = write_archive(chunk.plan, folder, Composer(visits, chunk.clicks, devices, _accounts(chunk), orders))
    written.counts["web_events"] = archive.events
    written.duplicates += archive.duplicates
    written.bad += archive.bad


def _accounts(chunk: Chunk) -> Accounts:
    """Accounts with their traits when opened, and after the first change of mail, phone or name."""
    plan, people, wanted = chunk.plan, chunk.people, chunk.meetings.wanted
    rows = _rows_of(chunk, WEB)
    who, day = wanted.person[rows], wanted.day[rows]
    changes = np.stack([people.married[who], people.mail_changed[who], people.phone_changed[who]])
    changed = np.where(changes > day, changes, NEVER).min(axis=0)
    account_of = np.full(chunk.actors.size, -1, np.int64)
    account_of[who] = np.arange(len(rows))
    # The same dice twice: the same slips in both, only what the person changed differs.
    before, after = (
        make_records(
            plan.scenario, plan.dice("accounts"), people,
            Wanted(wanted.source[rows], who, moment, wanted.good_mail[rows]),
        )
        for moment in (day, np.full(len(rows), LAST_DAY + 1))
    )  # fmt: skip
    sends = chance(plan.dice("traits"), plan.scenario.web.phone_trait, len(rows))
    return Accounts(chunk.meetings.record_id[rows], account_of, before, after, changed, sends)


def _truth(chunk: Chunk, folder: Path, written: Written) -> None:
    meetings, visits, clicks = chunk.meetings, chunk.visits, chunk.clicks
    sources = np.array(SOURCES)[meetings.wanted.source]
    persons = csv_rows([texts(sources), texts(meetings.record_id), texts(chunk.person_id[meetings.wanted.person])])
    _save(folder, "truth/persons.csv", persons)
    wide = chunk.actors.size + 1
    device, actor = np.divmod(np.unique(visits.anonymous * wide + visits.actor), wide)
    named = np.unique(visits.anonymous[clicks.visit[clicks.code == IDENTIFY]])
    # Visitors are nobody: all of them share the empty person after the last one.
    owners = np.append(chunk.person_id, "")[np.minimum(actor, chunk.people.size)]
    table = csv_rows([
        texts(chunk.numbering.device(device)), texts(owners), texts(np.where(np.isin(device, named), "yes", "no")),
    ])  # fmt: skip
    _save(folder, "truth/anonymous.csv", table)
