"""Whose data a request means: from the identifiers it names to source records, mailboxes and devices.

Certain is what holds together with the named record by evidence, or by somebody's decision; what a name alone holds in
the profile is doubtful and left to a person. Values that a record outside the closure carries too are shared: nothing
of others is ever found by them. All subjects of a batch are worked out together, in SQL over the identity tables; the
connection may be read-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cdp.domain.words import IDENTIFIER_OF_SOURCE, IdentifierType
from privacy.naming import PROFILE

if TYPE_CHECKING:
    import duckdb

# A phone is a household's; it names a person only while it leads to a single profile.
WEAK = frozenset({str(IdentifierType.PHONE)})
_FIRST, _LAST = "timestamp '0001-01-01'", "timestamp '9999-12-31'"


@dataclass(frozen=True)
class Named:
    """An identifier in a request: its type (or `profile`), the value in normal form, and the mailbox of a mail."""

    kind: str
    value: str
    mailbox: str | None = None


@dataclass(frozen=True)
class Doubt:
    """A record of the profile that evidence does not tie to the named one."""

    record: str
    reason: str
    probability: float


@dataclass(frozen=True)
class Held:
    """A device and the time for which it was the person's; None means from the first or to the last event."""

    device: str
    held_from: datetime | None
    held_to: datetime | None

    @property
    def whole(self) -> bool:
        """Nobody else ever held it."""
        return self.held_from is None and self.held_to is None


@dataclass
class Closure:
    """One subject: profiles it was known as, certain records (source:id), doubts, and values that are nobody else's."""

    named: tuple[Named, ...]
    profiles: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    doubtful: list[Doubt] = field(default_factory=list)
    mailboxes: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    devices: list[Held] = field(default_factory=list)
    combined: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_ambiguous(self) -> bool:
        """The identifiers lead to several people."""
        return len(self.profiles) > 1

    def to_json(self) -> dict[str, Any]:
        """As kept in the encrypted plan."""
        return {
            "named": [vars(one) for one in self.named],
            "profiles": self.profiles,
            "records": self.records,
            "doubtful": [vars(one) for one in self.doubtful],
            "mailboxes": self.mailboxes,
            "phones": self.phones,
            "devices": [[one.device, _text(one.held_from), _text(one.held_to)] for one in self.devices],
            "combined": self.combined,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Closure:
        """From the encrypted plan."""
        return cls(
            named=tuple(Named(**one) for one in content["named"]),
            profiles=content["profiles"],
            records=content["records"],
            doubtful=[Doubt(**one) for one in content["doubtful"]],
            mailboxes=content["mailboxes"],
            phones=content["phones"],
            devices=[Held(device, _moment(start), _moment(stop)) for device, start, stop in content["devices"]],
            combined=[(kind, value) for kind, value in content["combined"]],
        )


def find(
    connection: duckdb.DuckDBPyConnection, subjects: Sequence[Sequence[Named]], *, join_weight: float
) -> list[Closure]:
    """The closures of all subjects, in their order.

    `join_weight` is the weight from which an edge of `identity.edges` joins. A subject whose identifiers lead to
    several people gets their profiles and nothing else; one that nobody carries gets no profile.
    """
    closures = [Closure(tuple(named)) for named in subjects]
    _install(connection, subjects)
    if _there(connection):
        _seed(connection)
        _grow(connection, join_weight)
        _attach(connection)
    else:
        _empty(connection)
    _own(connection)
    _read(connection, closures)
    return closures


def _install(connection: duckdb.DuckDBPyConnection, subjects: Sequence[Sequence[Named]]) -> None:
    import pyarrow as pa

    rows = [(number, one.kind, one.value, one.mailbox) for number, named in enumerate(subjects) for one in named]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    types = (pa.int32(), pa.string(), pa.string(), pa.string())
    table = pa.table(
        [pa.array(list(values), kind) for values, kind in zip(columns, types, strict=True)],
        names=["subject", "kind", "value", "mailbox"],
    )
    connection.register("arriving", table)
    connection.execute("create or replace temp table c_named as select * from arriving")
    connection.unregister("arriving")


def _there(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'identity' and table_name in "
        "('identifiers', 'identity_map', 'profiles', 'edges', 'decisions', 'state_features', 'device_map')"
    ).fetchall()
    return int(found[0][0]) == 7


def _seed(connection: duckdb.DuckDBPyConnection) -> None:
    """`c_profiles` (subject, profile_id) and `c_seeds` (subject, record_key): what the identifiers lead to."""
    weak = ", ".join(f"'{kind}'" for kind in sorted(WEAK))
    sources = " ".join(f"when '{source}' then '{kind}'" for source, kind in IDENTIFIER_OF_SOURCE.items())
    connection.execute(
        f"""
        create or replace temp table c_found as
        with recursive lives (subject, profile_id, merged_into) as (
            select n.subject, p.profile_id, p.merged_into
            from c_named as n join identity.profiles as p on p.profile_id = n.value where n.kind = '{PROFILE}'
            union
            select l.subject, p.profile_id, p.merged_into
            from lives as l join identity.profiles as p on p.profile_id = l.merged_into
        ),
        by_value as (
            select n.subject, i.profile_id, i.source || ':' || i.source_record_id as record_key,
                n.kind in ({weak}) as weak
            from c_named as n join identity.identifiers as i on i.type = n.kind and i.value = n.value
        ),
        -- a value that many share is no identifier for lookup, but the record of this number is this record
        by_record as (
            select n.subject, m.profile_id, m.source || ':' || m.source_record_id, false
            from c_named as n join identity.identity_map as m
                on m.source_record_id = n.value and n.kind = case m.source {sources} end
        ),
        -- a device names the web users who identified themselves on it
        by_device as (
            select distinct n.subject, m.profile_id, 'web:' || d.user_id, false
            from c_named as n join intermediate.int_device_identifies as d
                on d.anonymous_id = n.value and n.kind = '{IdentifierType.ANONYMOUS_ID}'
            join identity.identity_map as m on m.source = 'web' and m.source_record_id = d.user_id
        ),
        by_profile as (
            select l.subject, l.profile_id, m.source || ':' || m.source_record_id, false
            from lives as l left join identity.identity_map as m
                on m.profile_id = l.profile_id and not m.provisional
            where l.merged_into is null
        )
        select * from by_value union select * from by_record
        union select * from by_device union select * from by_profile
        """
    )
    connection.execute(
        """
        create or replace temp table c_profiles as
        with strong as (select distinct subject, profile_id from c_found where not weak)
        select * from strong
        union
        select subject, profile_id from c_found where subject not in (select subject from strong)
        """
    )
    connection.execute(
        """
        create or replace temp table c_clear as
        select subject, any_value(profile_id) as profile_id from c_profiles group by subject having count(*) = 1
        """
    )
    connection.execute(
        "create or replace temp table c_seeds as "
        "select distinct f.subject, f.record_key from c_found as f join c_clear using (subject, profile_id) "
        "where f.record_key is not null"
    )


def _grow(connection: duckdb.DuckDBPyConnection, join_weight: float) -> None:
    """`c_certain` (subject, record_key): members that evidence or decisions tie to a seed; no marketing addresses."""
    connection.execute(
        """
        create or replace temp table c_members as
        select c.subject, m.source || ':' || m.source_record_id as record_key, m.source, m.source_record_id
        from c_clear as c join identity.identity_map as m using (profile_id)
        """
    )
    connection.execute(
        f"""
        create or replace temp table c_certain as
        with recursive links as (
            select record_a as a, record_b as b from identity.edges
            where weight >= {join_weight!r} and not name_only
                and record_a in (select record_key from c_members) and record_b in (select record_key from c_members)
            union
            select record_a, record_b from identity.decisions where kind = 'always'
        ),
        either as (select a, b from links union select b, a from links),
        reached (subject, record_key) as (
            select s.subject, s.record_key from c_seeds as s join c_members using (subject, record_key)
            where not starts_with(s.record_key, 'marketing:')
            union
            select r.subject, m.record_key
            from reached as r join either on either.a = r.record_key
            join c_members as m on m.subject = r.subject and m.record_key = either.b
        )
        select * from reached
        """
    )


def _attach(connection: duckdb.DuckDBPyConnection) -> None:
    """Add marketing addresses to `c_certain`, and make `c_devices` (subject, device, held_from, held_to)."""
    connection.execute(
        """
        insert into c_certain
        with own as (
            select distinct c.subject, f.mailbox from c_certain as c
            join identity.state_features as f using (record_key)
            where f.mailbox not in (
                select o.mailbox from identity.state_features as o anti join c_certain using (record_key)
                where o.mailbox is not null
            )
        )
        select distinct m.subject, m.record_key from c_members as m
        left join identity.state_addresses as a on a.address = m.source_record_id
        left join own on own.subject = m.subject and own.mailbox = a.mailbox
        left join c_seeds as s on s.subject = m.subject and s.record_key = m.record_key
        where m.source = 'marketing' and (
            own.mailbox is not null
            -- an address that stands for a profile of its own
            or (s.record_key is not null
                and m.subject not in (select subject from c_members where source <> 'marketing'))
        )
        """
    )
    connection.execute(
        f"""
        create or replace temp table c_devices as
        with identified as (
            select i.anonymous_id, m.subject, m.record_key
            from intermediate.int_device_identifies as i
            join c_members as m on m.record_key = 'web:' || i.user_id
        ),
        users as (
            select d.anonymous_id, c.subject, bool_and(k.record_key is not null) as certain
            from (select distinct anonymous_id, profile_id from identity.device_map) as d
            join c_clear as c using (profile_id)
            left join identified as i on i.anonymous_id = d.anonymous_id and i.subject = c.subject
            left join c_certain as k on k.subject = i.subject and k.record_key = i.record_key
            group by all
        )
        select u.subject, d.anonymous_id as device,
            nullif(d.valid_from, {_FIRST}) as held_from, nullif(d.valid_to, {_LAST}) as held_to
        from users as u
        join c_clear as c using (subject)
        join identity.device_map as d on d.anonymous_id = u.anonymous_id and d.profile_id = c.profile_id
        where u.certain or (d.basis = 'anonymous'
            and u.subject not in (select subject from c_members where source <> 'marketing'))
        """
    )


def _empty(connection: duckdb.DuckDBPyConnection) -> None:
    """No identity yet: nothing but what was named."""
    for table, columns in {
        "c_profiles": "subject integer, profile_id varchar",
        "c_clear": "subject integer, profile_id varchar",
        "c_members": "subject integer, record_key varchar, source varchar, source_record_id varchar",
        "c_certain": "subject integer, record_key varchar",
        "c_devices": "subject integer, device varchar, held_from timestamp, held_to timestamp",
        "c_features": "record_key varchar, mailbox varchar, telephone varchar, address varchar, postcode varchar,"
        " given varchar, family varchar",
    }.items():
        connection.execute(f"create or replace temp table {table} ({columns})")


def _own(connection: duckdb.DuckDBPyConnection) -> None:
    """`c_values` (subject, kind, value): what certain records state and no other record does, and what was named."""
    features = "identity.state_features" if _there(connection) else "c_features"
    person = "given || '|' || family"
    kinds = {
        "mailbox": "mailbox",
        "phone": "telephone",
        "phone+name": f"telephone || '|' || {person}",
        "address+name": f"address || '|' || postcode || '|' || {person}",
    }
    stated = " union ".join(
        f"select record_key, '{kind}' as kind, {sql} as value from c_stated" for kind, sql in kinds.items()
    )
    held = "(select distinct record_key from c_certain)"
    connection.execute(
        f"""
        create or replace temp table c_stated as
        select record_key, mailbox, telephone, address, postcode, given, family from {features}
        where mailbox in (select f.mailbox from {features} as f semi join c_certain using (record_key))
            or mailbox in (select mailbox from c_named)
            or telephone in (select f.telephone from {features} as f semi join c_certain using (record_key))
            or address in (select f.address from {features} as f semi join c_certain using (record_key))
        """
    )
    connection.execute(
        f"""
        create or replace temp table c_values as
        with stated as (select * from ({stated}) where value is not null),
        others as (select distinct kind, value from stated where record_key not in {held}),
        theirs as (
            select distinct c.subject, s.kind, s.value from stated as s join c_certain as c using (record_key)
            union
            select subject, 'mailbox', mailbox from c_named
            where mailbox is not null and subject not in (
                select subject from c_profiles group by subject having count(*) > 1)
        )
        select * from theirs anti join others using (kind, value)
        """
    )


def _read(connection: duckdb.DuckDBPyConnection, closures: list[Closure]) -> None:
    for subject, profile in connection.execute("select subject, profile_id from c_profiles order by all").fetchall():
        closures[subject].profiles.append(profile)
    for subject, record in connection.execute(
        "select distinct subject, record_key from c_certain order by all"
    ).fetchall():
        closures[subject].records.append(record)
    for subject, device, start, stop in connection.execute("select distinct * from c_devices order by all").fetchall():
        closures[subject].devices.append(Held(device, start, stop))
    targets = {"mailbox": "mailboxes", "phone": "phones"}
    for subject, kind, value in connection.execute("select * from c_values order by all").fetchall():
        if kind in targets:
            getattr(closures[subject], targets[kind]).append(value)
        else:
            closures[subject].combined.append((kind, value))
    if not _there(connection):
        return
    for subject, record, probability in connection.execute(
        """
        with links as (
            select record_a as record_key, record_b as other, probability from identity.edges
            union all select record_b, record_a, probability from identity.edges
        ),
        tied as (
            select c.subject, l.record_key, max(l.probability) as probability
            from links as l join c_certain as c on c.record_key = l.other group by all
        )
        select m.subject, m.record_key, coalesce(max(t.probability), 0)
        from c_members as m anti join c_certain using (subject, record_key)
        left join tied as t on t.subject = m.subject and t.record_key = m.record_key
        group by m.subject, m.record_key order by m.subject, m.record_key
        """
    ).fetchall():
        shared = record.startswith("marketing:")
        reason = "an address that other records carry too" if shared else "only a name ties it to the named record"
        closures[subject].doubtful.append(Doubt(record, reason, round(float(probability), 4)))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
