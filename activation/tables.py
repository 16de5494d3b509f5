"""Rows of a receiver's PostgreSQL table: one per person and segment, inserted or brought up to date.

The batch and its rows are one transaction, and sending it again writes the same rows, so nothing doubles. An exit
leaves the row with `member = false` and without fields; a merge moves the row to the living id; an erasure deletes the
person's rows of all segments, a restriction empties them, a correction brings those up to date that are in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from activation.config import Table
from activation.message import Message
from activation.outcome import Outcome
from cdp.errors import CdpError, InputError


def require_address(secret: str | None) -> None:
    """InputError unless the secret is the address of a PostgreSQL database."""
    if not secret or not secret.startswith("postgresql://"):
        raise InputError(
            "A destination of kind table needs a --secret-file with the database's address: "
            "postgresql://USER:PASSWORD@HOST/NAME."
        )


def send(config: Table, secret: str, messages: Sequence[Message]) -> Outcome:
    """Write the rows of all messages in their order."""
    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    table = _table(config)
    try:
        engine = PostgresBackend(parse(secret)).engine()
    except CdpError:
        return Outcome("dead", "bad_address")
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            for message in messages:
                if message.told_as == "erased":
                    connection.execute(sa.delete(table).where(table.c.profile_id == message.profile_id))
                    continue
                if message.is_notice:
                    _correct(connection, table, message)
                    continue
                if message.former_id:
                    former = sa.and_(table.c.profile_id == message.former_id, table.c.segment == _segment(message))
                    connection.execute(sa.delete(table).where(former))
                _upsert(connection, table, message)
    except sa.exc.DBAPIError as error:
        return _judged(error)
    finally:
        engine.dispose()
    return Outcome("taken")


def reach(config: Table, secret: str) -> Outcome:
    """Whether the database answers, and takes the table with its columns when it is there already."""
    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    table = _table(config)
    try:
        engine = PostgresBackend(parse(secret)).engine()
    except CdpError:
        return Outcome("dead", "bad_address")
    try:
        with engine.connect() as connection:
            if sa.inspect(connection).has_table(table.name, schema=table.schema):
                connection.execute(sa.select(table).where(sa.false()))
    except sa.exc.DBAPIError as error:
        return _judged(error)
    finally:
        engine.dispose()
    return Outcome("taken")


def _table(config: Table) -> sa.Table:
    schema, _, name = config.table.rpartition(".")
    fields = [sa.Column(field, sa.Text) for field in config.fields]
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("profile_id", sa.Text, primary_key=True),
        sa.Column("segment", sa.Text, primary_key=True),
        sa.Column("member", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        *fields,
        schema=schema or None,
    )


def _upsert(connection: sa.Connection, table: sa.Table, message: Message) -> None:
    from sqlalchemy.dialects.postgresql import insert

    own = {"profile_id", "segment", "member", "at", "message_id"}
    row: dict[str, Any] = {column.name: None for column in table.columns if column.name not in own}
    row |= {name: _text(value) for name, value in message.fields.items()}
    row |= {
        "profile_id": message.profile_id,
        "segment": _segment(message),
        "member": message.member,
        "at": message.delivery.at,
        "message_id": message.delivery.message_id,
    }
    statement = insert(table).values(row)
    changed = {name: value for name, value in row.items() if name not in ("profile_id", "segment")}
    connection.execute(statement.on_conflict_do_update(index_elements=["profile_id", "segment"], set_=changed))


def _correct(connection: sa.Connection, table: sa.Table, message: Message) -> None:
    """Carry a notice out on the rows of the person."""
    theirs = sa.update(table).where(table.c.profile_id == message.profile_id)
    values = {name: _text(value) for name, value in message.fields.items()}
    if message.told_as == "restricted":
        own = {"profile_id", "segment", "member", "at", "message_id"}
        empty = {column.name: None for column in table.columns if column.name not in own}
        connection.execute(theirs.values(**empty, member=False))
    elif message.told_as == "rectified" and values:
        connection.execute(theirs.where(table.c.member).values(**values))


def _segment(message: Message) -> str:
    return message.delivery.trigger_key or message.delivery.segment_key


def _text(value: Any) -> str | None:
    """A value as a text that PostgreSQL can hold: NUL it cannot."""
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).replace("\0", "")


def _judged(error: sa.exc.DBAPIError) -> Outcome:
    """A database that cannot be reached may come back, and so may a table or a role that somebody mends.

    The code follows the class of PostgreSQL's SQLSTATE: 42 is a table or column that is not as needed, 28 a refused
    login.
    """
    told = error.orig.args[0] if error.orig is not None and error.orig.args else None
    state = str(told.get("C", "")) if isinstance(told, dict) else ""
    codes = {"42": "table_refused", "28": "login_refused"}
    unknown = "database" if state else "no_connection"
    return Outcome("retry", codes.get(state[:2], unknown))
