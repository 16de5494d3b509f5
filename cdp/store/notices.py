"""Whoever was given a person is told that their data were put right, or that their use is restricted (GDPR Art. 19).

The messages are written in the transaction of what they tell: a restriction with its entry in the consent ledger, a
correction with the publication that first rests on it, once for each id under which a receiver knows the person. Every
publication also compares who is restricted with who was told so, because merges and splits carry restrictions on.
Erasures are told by `cdp.store.forgetting`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from cdp.domain.consent import EVERYTHING, Statement
from cdp.store import forgetting
from cdp.store.base import Rights
from cdp.store.consent_tables import consent_statements
from cdp.store.correction_tables import correction_withdrawals, corrections
from cdp.store.running import Backend, Running

_LARGEST_IN = 500
_T = TypeVar("_T")


# What is told of whom: (correction or entry, profile, subject request).
_About = tuple[str, str, str | None]

_SCRATCH: dict[str, str] = {
    "asked": "notice {key} not null, profile_id {key} not null, request {key}",
    "noticed": "notice {key} not null, profile_id {key} not null, request {key}",
    **forgetting.KNOWING,
}
# All ids of the person: the living one, and those merged into it.
_WHOLE_PERSON = """
insert into noticed (notice, profile_id, request)
with recursive upwards (notice, profile_id, request) as (
    select notice, profile_id, request from asked
    union
    select u.notice, p.merged_into, u.request
    from upwards as u
    join profiles as p on p.profile_id = u.profile_id
    where p.status = 'merged'
),
whole (notice, profile_id, request) as (
    select notice, profile_id, request from upwards
    union
    select w.notice, p.profile_id, w.request
    from whole as w
    join profiles as p on p.merged_into = w.profile_id
)
select notice, profile_id, request from whole
"""
_NAME_THEM = "insert into named_profiles (profile_id) select distinct profile_id from noticed"
_LAST_ENTRY = f"""
select state from consent_statements
where purpose = '{EVERYTHING}' and profile_id in (select profile_id from noticed)
order by at desc, seq desc
limit 1
"""
_MESSAGE = """
insert into deliveries
    (destination_key, message_id, profile_id, segment_key, kind, reason, at, state, attempts, request, notice)
select t.destination_key,
    t.destination_key || ':' || :batch || '-{kind}-'
        || row_number() over (order by t.notice, t.destination_key, t.profile_id),
    t.profile_id, '', '{kind}', '{kind}', :at, 'pending', 0, t.request, t.notice
from ({whom}) as t
order by t.notice, t.destination_key, t.profile_id
"""
_KNOWING = """
select k.destination_key, k.profile_id, n.request, n.notice
from knowing as k
join noticed as n on n.profile_id = k.profile_id
"""
_RECTIFIED = _MESSAGE.format(kind="rectified", whom=_KNOWING)
# Messages about a restriction that no later one took back.
_STANDING = """
select d.destination_key, d.profile_id, d.request, d.notice
from deliveries as d
where d.notice is not null and d.kind = 'restricted' and not exists (
    select 1 from deliveries as later
    where later.destination_key = d.destination_key and later.profile_id = d.profile_id and later.id > d.id
        and later.kind in ('restricted', 'lifted')
)
"""
# Who knows already that the use is restricted is not told again.
_RESTRICTED = _MESSAGE.format(
    kind="restricted",
    whom=f"""
{_KNOWING}
where not exists (
    select 1 from ({_STANDING}) as s
    where s.destination_key = k.destination_key and s.profile_id = k.profile_id
)""",
)
# The end of a restriction is told to whoever was told of it.
_LIFTED = _MESSAGE.format(
    kind="lifted",
    whom=f"""
select s.destination_key, s.profile_id, coalesce(n.request, s.request) as request, n.notice
from ({_STANDING}) as s
join noticed as n on n.profile_id = s.profile_id""",
)
# Of people who live on and are not among those noticed, about the entry that does not count for them any more.
_LIFTED_BEYOND = _MESSAGE.format(
    kind="lifted",
    whom=f"""
with recursive heirs (profile_id, heir) as (
    select s.profile_id, s.profile_id from ({_STANDING}) as s
    union
    select h.profile_id, p.merged_into
    from heirs as h
    join profiles as p on p.profile_id = h.heir
    where p.status = 'merged'
)
select s.destination_key, s.profile_id, s.request, s.notice
from ({_STANDING}) as s
join heirs as h on h.profile_id = s.profile_id
join profiles as p on p.profile_id = h.heir and p.status = 'living'
where s.profile_id not in (select profile_id from noticed)""",
)


def restricted(connection: sa.Connection, backend: Backend, entry: Statement, *, at: datetime) -> None:
    """Tell of a restriction or its end, right after its entry was written, as the last of the person's entries says."""
    with _telling(connection, backend, [(str(entry.seq), entry.profile_id, entry.request)], at) as running:
        ((state,),) = running.rows(_LAST_ENTRY)
        running.run(_RESTRICTED if state == "restricted" else _LIFTED)


def settled(connection: sa.Connection, backend: Backend, rights: Rights, *, consents: int, at: datetime) -> None:
    """Tell what a publication changes: corrections that it is the first to rest on or to do without, restrictions.

    `consents` is the last entry of the ledger that it knows.
    """
    _rectified(connection, backend, frozenset(rights.corrected), at)
    _compared(connection, backend, rights.restricted, consents, at)


def _rectified(connection: sa.Connection, backend: Backend, carried_out: frozenset[str], at: datetime) -> None:
    """A correction is told when it is carried out for the first time, and once more when it no longer is."""
    of = (corrections.c.correction_id, corrections.c.profile_id, corrections.c.request)
    with_withdrawals = corrections.join(
        correction_withdrawals, correction_withdrawals.c.correction_id == corrections.c.correction_id
    )
    fresh = sa.select(*of).where(sa.not_(corrections.c.told))
    withdrawn = (
        sa.select(*of).select_from(with_withdrawals).where(corrections.c.told, sa.not_(correction_withdrawals.c.told))
    )
    made = [(row[0], row[1], row[2]) for row in connection.execute(fresh) if row[0] in carried_out]
    taken_back = [(row[0], row[1], row[2]) for row in connection.execute(withdrawn) if row[0] not in carried_out]
    if not made and not taken_back:
        return
    with _telling(connection, backend, [*made, *taken_back], at) as running:
        running.run(_RECTIFIED)
    for table, told in ((corrections, made), (correction_withdrawals, taken_back)):
        for some in _chunks([one[0] for one in told]):
            connection.execute(sa.update(table).where(table.c.correction_id.in_(some)).values(told=True))


def _compared(
    connection: sa.Connection, backend: Backend, entries: Mapping[str, int], consents: int, at: datetime
) -> None:
    """Bring what receivers were told in line with who is restricted; who spoke since is left to their entry."""
    of = consent_statements.c
    unread = sa.select(of.profile_id).where(of.purpose == EVERYTHING, of.seq > consents)
    spoke: list[_About] = [("", row[0], None) for row in connection.execute(unread)]
    with _telling(connection, backend, spoke, at) as running:
        unknown = {row[0] for row in running.rows("select profile_id from noticed")}
    requests: dict[int, str | None] = {}
    for some in _chunks(sorted(set(entries.values()))):
        rows = connection.execute(sa.select(of.seq, of.request).where(of.seq.in_(some)))
        requests |= {int(row[0]): row[1] for row in rows}
    about = [
        (str(entry), profile, requests.get(entry))
        for profile, entry in sorted(entries.items())
        if profile not in unknown
    ]
    with _telling(connection, backend, about, at) as running:
        running.run(_RESTRICTED)
        running.stage("noticed", ("notice", "profile_id"), [("", one) for one in sorted(unknown)])
        running.run(_LIFTED_BEYOND)


@contextmanager
def _telling(connection: sa.Connection, backend: Backend, about: Sequence[_About], at: datetime) -> Iterator[Running]:
    """Statements that know of whom something is to be told, under all their ids, and which receivers know them."""
    with forgetting.named(connection, backend, (), at=at, batch=secrets.token_hex(6)) as running:
        running.create(_SCRATCH)
        running.stage("asked", ("notice", "profile_id", "request"), about)
        running.run(_WHOLE_PERSON)
        running.run(_NAME_THEM)
        running.run(forgetting.WHO_KNOWS)
        yield running
        running.drop(_SCRATCH)


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (values[start : start + _LARGEST_IN] for start in range(0, len(values), _LARGEST_IN))
