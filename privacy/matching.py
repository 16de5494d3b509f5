"""Which rows are about erased people: by the values of a closure, or by tokens when the values are known no more.

The rows come as two tables on the caller's connection: `people` (row_no, ids, device, happened_at) and `people_normal`
(row_no, mailbox, phone, name, address). The keys come as four more, made by `keys_of_values` or `keys_of_tokens`. A
record, a mailbox or a device in its time is enough; a phone or an address counts only together with the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from privacy import tokens
from privacy.keys import TokenKeys
from privacy.tokens import Token

if TYPE_CHECKING:
    import duckdb

_TABLES = {
    "key_records": "request integer, value varchar",
    "key_mailboxes": "request integer, value varchar",
    "key_devices": "request integer, value varchar, held_from timestamp, held_to timestamp",
    "key_combined": "request integer, kind varchar, value varchar",
    "key_bounded": "request integer, kind varchar, value varchar, held_to timestamp",
}


@dataclass
class Keys:
    """What is looked for, by the number of the request it belongs to; values, or the hex of tokens."""

    records: list[tuple[int, str]] = field(default_factory=list)
    mailboxes: list[tuple[int, str]] = field(default_factory=list)
    devices: list[tuple[int, str, datetime | None, datetime | None]] = field(default_factory=list)
    combined: list[tuple[int, str, str]] = field(default_factory=list)
    # Records and mailboxes that count for what happened before a moment only.
    bounded: list[tuple[int, str, str, datetime]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.records or self.mailboxes or self.devices or self.combined or self.bounded)

    @classmethod
    def of_tokens(cls, held: Iterable[tuple[int, Token]]) -> Keys:
        """Keys that are tokens."""
        keys = cls()
        for request, token in held:
            if token.kind in ("record", "mailbox") and token.held_to is not None:
                keys.bounded.append((request, token.kind, token.value, token.held_to))
            elif token.kind == "record":
                keys.records.append((request, token.value))
            elif token.kind == "mailbox":
                keys.mailboxes.append((request, token.value))
            elif token.kind == "device":
                keys.devices.append((request, token.value, token.held_from, token.held_to))
            else:
                keys.combined.append((request, token.kind, token.value))
        return keys

    def install(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write the key tables to a connection."""
        import pyarrow as pa

        rows: dict[str, Sequence[tuple[Any, ...]]] = {
            "key_records": self.records,
            "key_mailboxes": self.mailboxes,
            "key_devices": self.devices,
            "key_combined": self.combined,
            "key_bounded": self.bounded,
        }
        for table, columns in _TABLES.items():
            connection.execute(f"create or replace temp table {table} ({columns})")
            if rows[table]:
                names = [column.split()[0] for column in columns.split(", ")]
                arrays = [pa.array(list(values)) for values in zip(*rows[table], strict=True)]
                connection.register("arriving", pa.table(arrays, names=names))
                connection.execute(f"insert into {table} select * from arriving")
                connection.unregister("arriving")


def match(connection: duckdb.DuckDBPyConnection, hashing: TokenKeys | None = None) -> None:
    """Make `matched` (row_no, request, whole) and `matched_ids` (row_no, request, id).

    `whole` says that the row goes as a whole; when it is false some, but not all, of the people it names are erased.
    With `hashing` the keys are tokens and every distinct value is hashed once under each version.
    """
    if hashing is not None:
        tokens.install(connection, hashing)
    connection.execute(
        f"""
        create or replace temp table matched_ids as
        with named as (select row_no, unnest(ids) as id from people),
        known as ({_known("record", "select distinct id as value from named", _RECORDS, hashing, ", held_to")})
        select distinct named.row_no, known.request, named.id from named join known on known.value = named.id
        join people using (row_no)
        where {_IN_TIME}
        """
    )
    connection.execute(
        f"""
        create or replace temp table matched as
        with by_mailbox as (
            select n.row_no, known.request from people_normal as n join (
                {_known("mailbox", _STATED_MAILBOXES, _MAILBOXES, hashing, ", held_to")}
            ) as known on known.value = n.mailbox
            join people using (row_no)
            where {_IN_TIME}
        ),
        by_device as (
            select p.row_no, known.request from people as p join (
                {_known("device", _DEVICES, "key_devices", hashing, ", held_from, held_to")}
            ) as known on known.value = p.device
            where len(p.ids) = 0 and coalesce(
                p.happened_at >= coalesce(known.held_from, timestamp '0001-01-01')
                    and p.happened_at < coalesce(known.held_to, timestamp '9999-12-31'),
                known.held_from is null
            )
        ),
        by_combination as (
            {" union all ".join(_combination(kind, part, hashing) for kind, part in _PARTS.items())}
        ),
        gone as (select row_no, count(distinct id) as ids from matched_ids group by row_no),
        by_id as (
            select m.row_no, m.request, g.ids >= len(list_distinct(p.ids)) as whole
            from matched_ids as m join gone as g using (row_no) join people as p using (row_no)
        ),
        everything as (
            select row_no, request, whole from by_id
            union all select row_no, request, true from by_mailbox
            union all select row_no, request, true from by_device
            union all select row_no, request, true from by_combination
        )
        select row_no, request, bool_or(whole) as whole from everything group by row_no, request
        """
    )


# Until when a key counts, null for ever; and what has no time is taken to have been before.
_BOUNDED = "union all select request, value, held_to from key_bounded where kind ="
_RECORDS = f"(select request, value, cast(null as timestamp) as held_to from key_records {_BOUNDED} 'record')"
_MAILBOXES = f"(select request, value, cast(null as timestamp) as held_to from key_mailboxes {_BOUNDED} 'mailbox')"
_IN_TIME = "coalesce(people.happened_at < known.held_to, true)"
_STATED_MAILBOXES = "select distinct mailbox as value from people_normal"
_DEVICES = "select distinct device as value from people where len(ids) = 0"
_PARTS = {"phone+name": "phone", "address+name": "address"}


def _combination(kind: str, part: str, hashing: TokenKeys | None) -> str:
    values = f"select distinct {part} || '|' || name as value from people_normal"
    keys = f"(select request, value from key_combined where kind = '{kind}')"
    return f"""
        select n.row_no, known.request from people_normal as n
        join ({_known(kind, values, keys, hashing)}) as known on known.value = n.{part} || '|' || n.name
    """


def _known(kind: str, values: str, keys: str, hashing: TokenKeys | None, more: str = "") -> str:
    """The values that are looked for: request, value, and more columns of the key table."""
    if hashing is None:
        return f"select k.request, k.value {more} from {keys} as k"
    hashed = " union all ".join(
        f"select value, {tokens.token_sql(version, kind, 'value')} as token from ({values}) where value is not null"
        for version in hashing.versions
    )
    return f"select k.request, h.value {more} from ({hashed}) as h join {keys} as k on k.value = h.token"


def recognised(connection: duckdb.DuckDBPyConnection, hashing: TokenKeys) -> set[tuple[int, str, str]]:
    """What of `people` the tokens stand for: (request, kind, value) of records, mailboxes and devices."""
    tokens.install(connection, hashing)
    wanted = (
        ("record", "select distinct unnest(ids) as value from people", _RECORDS),
        ("mailbox", _STATED_MAILBOXES, _MAILBOXES),
        ("device", "select distinct device as value from people", "key_devices"),
    )
    queries = [
        f"select request, '{kind}', value from ({_known(kind, values, keys, hashing)})" for kind, values, keys in wanted
    ]
    return {(request, kind, value) for request, kind, value in connection.execute(" union ".join(queries)).fetchall()}
