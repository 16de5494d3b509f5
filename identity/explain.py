"""Why two records are one person, or are not: every comparison with its weight, in plain words.

The pair is scored with the model in force exactly as in a run. Beside it stand the chain of edges that joins both in
one profile, the merges that were refused between their profiles, and what people decided. The words name fields and
levels of agreement, never values; those are what `side_by_side` is for. Everything is read from what is served.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import duckdb

from cdp.domain.decisions import StandingLink
from cdp.errors import InputError, NotFoundError
from identity import matching, model_store, relation, rulings
from identity.config import PIPELINE, MatchConfig
from identity.decisions import profile_of_record
from identity.model import Model
from identity.relation import Refusal, Ruling, Step

# field → the column of the features that shows what a record says of it
_SHOWN = {
    "given": "given",
    "middle": "middle",
    "family": "family",
    "suffix": "suffix",
    "email": "mailbox",
    "phone": "telephone",
    "address": "address",
    "postcode": "postcode",
    "city": "city",
    "birth": "birth",
    "national_id": "national_id",
}


@dataclass(frozen=True)
class Part:
    """One comparison: its finding, and its weight (log2) against two strangers and against two people of one home."""

    field: str
    finding: str
    against_strangers: float
    rarity: float
    against_home: float


@dataclass(frozen=True)
class Compared:
    """What two records say of one field, normalised as they are compared; None where a record does not say."""

    field: str
    a: str | None
    b: str | None


@dataclass(frozen=True)
class Explanation:
    """Weights are log2 odds; `weight` weighs the stronger of the two alternatives to one person.

    `prediction` is the row of the matching engine that the weights were read from.
    """

    record_a: str
    record_b: str
    profile_a: str
    profile_b: str
    weight: float
    probability: float
    start_strangers: float
    start_home: float
    against_strangers: float
    against_home: float
    parts: list[Part]
    path: list[Step]
    refusals: list[Refusal]
    decisions: list[Ruling]
    model: Model
    prediction: dict[str, Any]
    words: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `identity explain --json` prints it."""
        shown = asdict(replace(self, prediction={}))
        del shown["prediction"], shown["model"]
        return {**shown, "model_version": self.model.version}


def explain(
    served: duckdb.DuckDBPyConnection,
    standing: Sequence[StandingLink],
    record_a: str,
    record_b: str,
    *,
    config: MatchConfig = PIPELINE,
) -> Explanation:
    """Explain the relation of two records, named SOURCE:ID; `standing` are the decisions that hold.

    NotFoundError for an unknown record, or when what is served holds no model.
    """
    _require_features(served)
    model = model_store.active(served)
    if model is None:
        raise NotFoundError("There is no model yet: run `cdp run --from DIR` first.")
    profiles = {record: profile_of_record(served, record) for record in (record_a, record_b)}
    if record_a == record_b:
        raise InputError("An explanation needs two different records.")
    first, second = sorted((record_a, record_b))
    row = _scored(served, first, second, model)
    parts = _parts(row, model)
    start_home = math.log2(model.prior_same / model.prior_home)
    strangers = min(float(row["match_weight"]), matching.MOST)
    home = min(start_home + sum(part.against_home for part in parts), matching.MOST)
    weight = -math.log2(2**-strangers + 2**-home)
    told = Explanation(
        record_a=record_a,
        record_b=record_b,
        profile_a=profiles[record_a],
        profile_b=profiles[record_b],
        weight=weight,
        probability=1 / (1 + 2**-weight),
        start_strangers=math.log2(model.prior_same / (1 - model.prior_same)),
        start_home=start_home,
        against_strangers=strangers,
        against_home=home,
        parts=parts,
        path=relation.path(served, record_a, record_b, config) if profiles[record_a] == profiles[record_b] else [],
        refusals=relation.refusals(served, profiles[record_a], profiles[record_b]),
        decisions=relation.rulings_between(served, standing, profiles[record_a], profiles[record_b]),
        model=model,
        prediction=row,
    )
    told.words.extend(_in_words(told))
    return told


def side_by_side(served: duckdb.DuckDBPyConnection, record_a: str, record_b: str) -> list[Compared]:
    """What two records say, field by field; fields of which neither says anything are left out. Personal data."""
    _require_features(served)
    for record in (record_a, record_b):
        profile_of_record(served, record)
    columns = ", ".join(_SHOWN.values())
    rows = {
        record: values
        for record, *values in served.execute(
            f"select record_key, {columns} from identity.state_features where record_key in (?, ?)",
            [record_a, record_b],
        ).fetchall()
    }
    compared = zip(_SHOWN, rows[record_a], rows[record_b], strict=True)
    return [Compared(name, a, b) for name, a, b in compared if a is not None or b is not None]


def _require_features(served: duckdb.DuckDBPyConnection) -> None:
    if not all(rulings.is_there(served, table) for table in ("state_features", "state_models")):
        raise NotFoundError("What is served holds nothing to explain with: run `cdp run --from DIR` once.")


def _scored(connection: duckdb.DuckDBPyConnection, first: str, second: str, model: Model) -> dict[str, Any]:
    connection.execute(
        "create or replace temp table wf_asked_keys as select * from (values (0, ?), (1, ?)) as t(number, record_key)",
        [first, second],
    )
    connection.execute("create or replace temp table wf_asked as select 0 as a, 1 as b")
    wanted = matching.Pairs("wf_asked", "wf_asked_keys")
    with matching.scored(connection, wanted, model) as (scratched, table):
        found = scratched.execute(f"select * from {table}").to_arrow_table().to_pylist()[0]
    connection.execute("drop table wf_asked; drop table wf_asked_keys")
    return dict(found)


def _parts(row: dict[str, Any], model: Model) -> list[Part]:
    """The comparisons that say something, the heaviest first."""
    parts = []
    for comparison in model.comparisons():
        name, weight = comparison.name, float(row[f"mw_{comparison.name}"])
        weights = [0.0, *model.stranger_weights(name)]
        level = min(range(len(weights)), key=lambda place: abs(weights[place] - weight)) - 1
        if level < 0:
            continue
        parts.append(
            Part(
                field=name,
                finding=comparison.levels[level].words,
                against_strangers=weight,
                rarity=float(row.get(f"mw_tf_adj_{name}") or 0.0),
                against_home=model.home_weights(name)[level],
            )
        )
    return sorted(parts, key=lambda part: (-abs(part.against_strangers + part.rarity), part.field))


def _in_words(told: Explanation) -> list[str]:
    words = [f"Before looking, two records are one person with odds of 1 to {2**-told.start_strangers:,.0f}."]
    for part in told.parts:
        weight = part.against_strangers + part.rarity
        speaks = "for" if weight >= 0 else "against"
        rare = " (rare in these data)" if part.rarity > 1 else " (common in these data)" if part.rarity < -1 else ""
        words.append(f"{part.finding[0].upper()}{part.finding[1:]}{rare}: {abs(weight):.1f} {speaks} one person.")
    words.append(
        f"Against two strangers this makes {told.against_strangers:+.1f}, against two people of one household "
        f"{told.against_home:+.1f}; the stronger doubt counts: {told.weight:+.1f},"
        f" a probability of {told.probability:.1%}."
    )
    if told.profile_a == told.profile_b:
        if len(told.path) > 1:
            words.append(f"They are in one profile, joined over {len(told.path) - 1} other record(s).")
        else:
            words.append(
                "They are in one profile." if told.path else "They are in one profile by the mean of its records."
            )
    else:
        words.append("They are in two profiles.")
    refused = Counter(refusal.reason for refusal in told.refusals)
    words += [f"Refused merges: {count} ({reason})." for reason, count in sorted(refused.items())]
    by_decision = Counter((ruling.decision_id, ruling.kind, ruling.effective) for ruling in told.decisions)
    words += [
        f"People decided ({decision}, {effective}): {count} pair(s) of these records are {kind} one person."
        for (decision, kind, effective), count in by_decision.items()
    ]
    return words
