"""The list of hubs as people see and edit it: values that too many different people share.

The list is learned by `identity.hubs`; what people say of a value is kept in the store's log and wins over what the
data say. Shared values are personal data where they are somebody's after all, so only those may see them who may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import duckdb
import pyarrow as pa

from cdp.domain.decisions import Author, HubAction, HubEdit, HubKind
from cdp.errors import InputError
from cdp.store.decisions import DecisionLog
from identity.config import PIPELINE

# kind → the input column that is normalised, and what the list holds of it
_READ_AS = {"email": "email", "phone": "phone", "address": "street"}
_LONGEST = 500


@dataclass(frozen=True)
class Hub:
    """A value in the list, or one about which people said something.

    `names` and `records` count who carries it; `is_hub` is what the last run went by, `edit` what people say.
    """

    kind: str
    value: str
    names: int | None
    records: int | None
    is_hub: bool
    edit: HubAction | None


def listing(served: duckdb.DuckDBPyConnection, edits: Sequence[HubEdit]) -> list[Hub]:
    """Hubs and edited values, the most crowded first."""
    said = {(str(edit.kind), edit.value): edit.action for edit in edits}
    rows = served.execute("select kind, value, names, records from identity.state_hubs").fetchall()
    known = {(kind, value): (int(names), int(records)) for kind, value, names, records in rows}
    hubs = []
    for kind, value in {*known, *said}:
        names, records = known.get((kind, value), (None, None))
        hubs.append(Hub(kind, value, names, records, (kind, value) in known, said.get((kind, value))))
    return sorted(hubs, key=lambda hub: (-(hub.names or 0), hub.kind, hub.value))


def edit(
    log: DecisionLog, served: duckdb.DuckDBPyConnection, kind: str, value: str, *, action: HubAction, author: Author
) -> HubEdit:
    """Say that a value is a hub (`block`), is none (`allow`), or that the data decide again (`learn`).

    The value may be given as people write it. InputError for an unknown kind or a value that is no such thing.
    """
    if kind not in get_args(HubKind):
        raise InputError(f"A hub is one of {', '.join(get_args(HubKind))}, not {kind}.")
    known = served.execute("select 1 from identity.state_hubs where kind = ? and value = ?", [kind, value]).fetchall()
    chosen: HubKind = "email" if kind == "email" else "phone" if kind == "phone" else "address"
    made = HubEdit(chosen, value if known else _normalised(kind, value), action, author)
    log.edit_hub(made)
    return made


def _normalised(kind: str, value: str) -> str:
    """The value as records are compared by it."""
    from identity.normalise.columns import record_columns

    if len(value) > _LONGEST:
        raise InputError(f"A shared value has at most {_LONGEST} characters.")
    typed = pa.table({"record_key": pa.array(["typed"]), _READ_AS[kind]: pa.array([value])})
    row = record_columns(typed, default_country=PIPELINE.country).to_pylist()[0]
    if kind == "address":
        parts = [row["house_number"], row["street_norm"]] if row["street_norm"] else []
        found = " ".join(part for part in parts if part) or None
    else:
        found = row["email_base"] if kind == "email" else row["phone_e164"]
    if found is None:
        raise InputError(f"This cannot be read as {'an' if kind != 'phone' else 'a'} {kind}.")
    return str(found)
