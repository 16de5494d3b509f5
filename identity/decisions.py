"""What people decide about identity: merge, split, an answer about two records, and taking it back.

A decision becomes always- and never-links between records under one id. It holds until it is withdrawn, whatever
records arrive later; the next run carries it out, and a withdrawal restores the former state. Who is who is read from
what is served, decisions are kept in the store's log. What contradicts earlier decisions, or says nothing new, is
refused when it is written, naming what stands against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product

import duckdb

from cdp.domain.decisions import ALWAYS, NEVER, Author, Decision, Link
from cdp.errors import InputError, NotFoundError
from cdp.store.decisions import DecisionLog
from identity.contradictions import check

# Freezing a partition writes a link per pair of records; a person looks at smaller groups than this.
_MOST_LINKS = 10_000
# Notes are kept for good and shown to others.
_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]")
_LONGEST_NOTE = 2_000
_LONGEST_NAME = 200


def merge(log: DecisionLog, served: duckdb.DuckDBPyConnection, a: str, b: str, author: Author) -> Decision:
    """Declare two profiles, or the profiles of two records, one person.

    Every record of one is tied to every record of the other, so that the decision holds whichever of them are deleted.

    NotFoundError for an unknown profile or record, InputError when both are the same profile already, ConflictError
    when an earlier decision keeps records of the two apart or says the same.
    """
    one, other = _records_of(served, a), _records_of(served, b)
    if set(one) & set(other):
        raise InputError("Both are one profile already; there is nothing to merge.")
    links = [Link.between(ALWAYS, *pair) for pair in product(sorted(one), sorted(other))]
    return log.write("merge", _bounded(links), _checked(author), lambda standing: check(standing, links))


def split(
    log: DecisionLog, served: duckdb.DuckDBPyConnection, profile: str, records: Iterable[str], author: Author
) -> Decision:
    """Declare that `records` of a profile are another person than its remaining records.

    Both sides are kept together and every pair across is kept apart. NotFoundError for an unknown profile, InputError
    when the records are not of this profile or are all of it, ConflictError when an earlier decision ties both sides.
    """
    members = set(_records_of(served, profile))
    taken = sorted(set(records))
    strange = [record for record in taken if record not in members]
    if strange:
        raise InputError(f"{len(strange)} of the records named are not of this profile; the first is {strange[0]}.")
    left = sorted(members - set(taken))
    if not taken or not left:
        raise InputError("A split needs some, but not all, of the profile's records.")
    links = [Link.between(NEVER, *pair) for pair in product(taken, left)]
    links += [Link.between(ALWAYS, side[0], record) for side in (taken, left) for record in side[1:]]
    return log.write("split", _bounded(links), _checked(author), lambda standing: check(standing, links))


def answer(
    log: DecisionLog, served: duckdb.DuckDBPyConnection, record_a: str, record_b: str, *, same: bool, author: Author
) -> Decision:
    """Decide about two records alone whether they are one person: the answer to a question of the review queue."""
    if record_a == record_b:
        raise InputError("A decision needs two different records.")
    _require_records(served, [record_a, record_b])
    links = [Link.between(ALWAYS if same else NEVER, record_a, record_b)]
    return log.write("same" if same else "different", links, _checked(author), lambda standing: check(standing, links))


def withdraw(log: DecisionLog, decision_id: str, author: Author) -> Decision:
    """Take a decision back; the next run restores what was before.

    NotFoundError for an unknown decision, ConflictError for one that was withdrawn before.
    """
    return log.withdraw(decision_id, _checked(author))


def _bounded(links: list[Link]) -> list[Link]:
    if len(links) > _MOST_LINKS:
        raise InputError(f"This decision would need {len(links):,} links; decide about smaller groups of records.")
    return links


def _checked(author: Author) -> Author:
    """The author with a usable name and note."""
    name, note = author.name.strip(), (author.note or "").replace("\0", "").strip()
    if not name or len(name) > _LONGEST_NAME:
        raise InputError(f"A decision needs an author with a name of 1 to {_LONGEST_NAME} characters.")
    if len(note) > _LONGEST_NOTE:
        raise InputError(f"A note has at most {_LONGEST_NOTE:,} characters.")
    if _MAIL.search(note):
        raise InputError("A note is kept with the decision; name people by their records (SOURCE:ID), not by mail.")
    return Author(name, author.at, note or None)


def _records_of(served: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """The record keys of a profile, named by its id (also a merged one's) or by one of its records."""
    profile = profile_of_record(served, name) if ":" in name else living_profile(served, name)
    rows = served.execute(
        "select source || ':' || source_record_id from identity.identity_map "
        "where profile_id = ? and source <> 'marketing' order by 1",
        [profile],
    ).fetchall()
    if not rows:
        raise NotFoundError(f"Profile {profile} holds no source record to decide about.")
    return [record for (record,) in rows]


def profile_of_record(served: duckdb.DuckDBPyConnection, record: str) -> str:
    """The profile of a record named SOURCE:ID; NotFoundError when there is no such record."""
    source, _, record_id = record.partition(":")
    rows = served.execute(
        "select profile_id from identity.identity_map "
        "where source = ? and source_record_id = ? and source <> 'marketing'",
        [source, record_id],
    ).fetchall()
    if not rows:
        raise NotFoundError(f"There is no source record {record}; records are named SOURCE:ID.")
    return str(rows[0][0])


def living_profile(served: duckdb.DuckDBPyConnection, profile: str) -> str:
    """The profile that an id leads to, following merges; NotFoundError for an id that was never given."""
    seen = {profile}
    while True:
        rows = served.execute(
            "select status, merged_into from identity.profiles where profile_id = ?", [profile]
        ).fetchall()
        if not rows:
            raise NotFoundError(f"There is no profile {profile}.")
        status, into = rows[0]
        if status != "merged" or into is None or into in seen:
            return profile
        profile = into
        seen.add(profile)


def _require_records(served: duckdb.DuckDBPyConnection, records: list[str]) -> None:
    for record in records:
        profile_of_record(served, record)
