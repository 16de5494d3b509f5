"""Reading all of the few records that state a key finds what reading all of every record finds."""

from __future__ import annotations

import json
import random

import duckdb
import pyarrow as pa
import pytest

from identity.normalise.columns import record_columns
from pipelines.ingest.people import MAIL, narrow, speak_of
from pipelines.sources.entity import Entity
from pipelines.sources.registry import ENTITIES
from privacy.matching import Keys, match

MAILS = ("ann@x.org", "Ann@X.org ", "ann+shop@gmail.com", "a.nn@gmail.com", "bob@x.org", "info@x.org", "no mail", "")
NAMES = ("1", "2", "c-3", "C-3", "4;1", "")
DEVICES = ("d-1", "d-2", " d-1", "")


def records(entity: Entity, draw: random.Random) -> pa.Table:
    """Records with few values, so that many meet a key, beside values of other columns."""
    rows = []
    for _ in range(80):
        record: dict[str, object] = {}
        for column in entity.column_names:
            if column == entity.person.record:
                values: tuple[str | None, ...] = NAMES
            elif column == entity.person.device:
                values = DEVICES
            elif column == entity.person.traits.get("email"):
                values = MAILS
            else:
                values = ("2025-05-01T10:00:00Z", "ann", "1")
            place = record
            *outer, last = column.split(".")
            for part in outer:
                within = place.setdefault(part, {})
                place = within if isinstance(within, dict) else {}
            place[last] = draw.choice((*values, None))
        rows.append(json.dumps(record))
    return pa.table({"row_no": pa.array(range(len(rows)), pa.int64()), "record": rows})


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_what_goes_is_the_same(entity: Entity) -> None:
    draw = random.Random(entity.name)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("given", records(entity, draw))
        keys = Keys()
        keys.records = [(0, f"{entity.source}:{name}") for name in ("1", "c-3")] + [(0, "other:2")]
        keys.mailboxes = [(0, "ann@x.org"), (0, "ann@gmail.com")]
        keys.devices = [(0, "d-1", None, None)]
        keys.install(connection)
        found = []
        for relation in ("given", narrow(connection, entity, "given", record_columns)):
            speak_of(connection, entity, relation, record_columns, normal=MAIL)
            match(connection)
            found.append(connection.execute("select row_no, whole from matched order by all").fetchall())
            found.append(connection.execute("select row_no, id from matched_ids order by all").fetchall())
        assert found[:2] == found[2:] and found[0]
        read = connection.execute("select count(*) from people").fetchall()[0][0]
        assert read < 80 or entity.person.separator is not None
