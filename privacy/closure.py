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

from privacy import reaching

if TYPE_CHECKING:
    import duckdb


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
    connection: duckdb.DuckDBPyConnection,
    subjects: Sequence[Sequence[Named]],
    *,
    join_weight: float,
    frozen: Sequence[Closure] = (),
) -> list[Closure]:
    """The closures of all subjects, in their order.

    With `frozen`, what was found for the same subjects before, they are looked at again: a subject's records stay
    certain and lead to what evidence ties to them now, whatever its identifiers lead to by now; addresses, devices and
    values are judged as they are now, since somebody else may carry them too. One without records is looked up anew.

    `join_weight` is the weight from which an edge of `identity.edges` joins. A subject whose identifiers lead to
    several people gets their profiles and nothing else; one that nobody carries gets no profile.
    """
    closures = [Closure(tuple(named)) for named in subjects]
    reaching.install(connection, subjects, frozen)
    if reaching.there(connection):
        reaching.seed(connection)
        reaching.grow(connection, join_weight)
        reaching.keep(connection)
        reaching.attach(connection)
    else:
        reaching.empty(connection)
        reaching.keep(connection)
    _own(connection)
    _read(connection, closures)
    return closures


def _own(connection: duckdb.DuckDBPyConnection) -> None:
    """`c_values` (subject, kind, value): what certain records state and no other record does, and what was named."""
    features = "identity.state_features" if reaching.there(connection) else "c_features"
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
    if not reaching.there(connection):
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
