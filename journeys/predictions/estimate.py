"""Predictions for everybody, and the record of how good they are: learnt, checked, and written as tables.

Coefficients are learnt from what was known one horizon ago and checked against what happened since; the same
coefficients are then used, with baselines learnt from everything. Inputs that did not change are not learnt from again.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from cdp.errors import InputError
from journeys.predictions import drivers, landmarks, tables
from journeys.predictions.checks import Check, time_split
from journeys.predictions.covariates import COVARIATES
from journeys.predictions.hazards import HORIZON_DAYS, LEAST_ROWS, Cause, Model, learn, predict
from journeys.predictions.landmarks import KINDS, Rows
from journeys.scope import Scope, naive

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# A move less likely than this is not "expected next"; most likely the person stays.
LEAST_LIKELY = 0.05
CHUNK = 50_000
LAPSE = KINDS.index("lapse")

INPUTS = """
select md5(concat_ws(':',
    (select bit_xor(hash(profile_id, episode_number, stage, entered_at, left_at, move)) from marts.stage_episodes),
    (select bit_xor(hash(touchpoint_id, profile_id, occurred_at, channel, touchpoint_type, is_activity))
        from marts.touchpoints),
    (select bit_xor(hash(purchase_id, profile_id, occurred_at, amount)) from marts.purchases),
    (select bit_xor(hash(ticket_id, profile_id, created_at, solved_at, is_slow, satisfaction)) from marts.tickets),
    (select bit_xor(hash(stage, position, is_path, lapse_after_days)) from marts.journey_stages),
    (select bit_xor(hash(profile_id)) from marts.profiles)
))
"""


@dataclass(frozen=True)
class PredictionReport:
    """What a step did: people with predictions, whether anything was learnt, how calibrated the risk of lapsing is."""

    profiles: int
    predicted: int
    learnt: bool
    calibration_error: float | None = None


@dataclass
class _Value:
    customers: pd.DataFrame | None = None
    purchase_model: dict[str, float] = field(default_factory=dict)
    value_model: dict[str, float] = field(default_factory=dict)
    days: int | None = None
    reason: str | None = None


def estimate(connection: duckdb.DuckDBPyConnection, as_of: datetime, *, anew: bool = False) -> PredictionReport:
    """Write marts.predictions and its companions into the open warehouse; `anew` learns even from unchanged inputs."""
    inputs = _inputs(connection, as_of)
    if not anew and (kept := _kept(connection, inputs)) is not None:
        return kept
    people = connection.execute("select count(*) from marts.profiles").fetchall()[0][0]
    rows = landmarks.past(connection, as_of, people)
    now = landmarks.present(connection, as_of)
    taught, checks = time_split(rows) if len(rows) else (None, [])
    model = learn(rows, taught=taught if taught and any(cause.used for cause in taught.causes) else None)
    values = _values(connection, as_of)
    content: dict[str, Any] = {
        "predictions": _predictions(connection, model, rows, now, values),
        "prediction_models": [_card(cause) for cause in model.causes],
        "prediction_checks": [asdict(check) for check in checks],
        "prediction_runs": [_run(as_of, inputs, checks, values, taught)],
    }
    tables.write(connection, content)
    predicted = int(((model.group(now) >= 0) & now.touched).sum())
    return PredictionReport(people, predicted, True, _calibration(checks))


def _inputs(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> str:
    """A digest of everything the predictions depend on: the tables, now, and this code."""
    state = hashlib.sha256(as_of.isoformat().encode())
    state.update(str(connection.execute(INPUTS).fetchall()[0][0]).encode())
    for folder in (Path(__file__).parent, Path(__file__).parents[1] / "value"):
        for path in sorted(folder.glob("*.py")):
            state.update(path.read_bytes())
    return state.hexdigest()


def _kept(connection: duckdb.DuckDBPyConnection, inputs: str) -> PredictionReport | None:
    try:
        last = connection.execute("select inputs from marts.prediction_runs").fetchall()
        counts = connection.execute("select count(*), count(stay_probability) from marts.predictions").fetchall()[0]
        found = connection.execute(
            "select calibration_error from marts.prediction_checks where kind = 'lapse' and stage = 'all' and tenth = 0"
        ).fetchall()
    except duckdb.CatalogException:
        return None
    if last != [(inputs,)]:
        return None
    return PredictionReport(counts[0], counts[1], False, found[0][0] if found else None)


def _values(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> _Value:
    from journeys.value import lifetime

    try:
        summary, customers = lifetime.estimate(connection, Scope(until=as_of))
    except InputError as error:
        return _Value(reason=error.message)
    return _Value(customers, summary.purchase_model, summary.value_model, summary.horizon_days)


def _predictions(
    connection: duckdb.DuckDBPyConnection, model: Model, rows: Rows, now: Rows, values: _Value
) -> pa.Table:
    """marts.predictions: what was predicted of everybody's moves, joined with what they may still be worth."""
    import pyarrow as pa

    allowed = dict(
        connection.execute("select stage, coalesce(lapse_after_days, 0) from marts.journey_stages").fetchall()
    )
    days = np.array([allowed[stage] for stage in now.stages], dtype=np.int64)
    parts = [_moves(model, rows, now.where(_slice(start, len(now))), days) for start in range(0, len(now), CHUNK)]
    moves = pa.concat_tables(parts) if parts else _moves(model, rows, now, days)
    connection.register("predicted_moves", moves)
    connection.register("predicted_values", _customers(values))
    try:
        return connection.execute(
            """
            select
                m.*,
                round(v.alive, 4) as alive_probability,
                round(v.expected_purchases, 3) as expected_purchases,
                round(v.lifetime_value, 2) as lifetime_value,
                case when v.profile_id is null then coalesce($reason, 'Has not bought yet.') end as value_reason
            from predicted_moves as m
            left join predicted_values as v on m.profile_id = v.profile_id
            """,
            {"reason": values.reason},
        ).to_arrow_table()
    finally:
        connection.unregister("predicted_moves")
        connection.unregister("predicted_values")


def _slice(start: int, count: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    chosen = np.zeros(count, dtype=bool)
    chosen[start : start + CHUNK] = True
    return chosen


def _customers(values: _Value) -> pa.Table:
    import pyarrow as pa

    columns = ["profile_id", "alive", "expected_purchases", "lifetime_value"]
    if values.customers is None:
        return pa.table({name: pa.array([], pa.string() if name == "profile_id" else pa.float64()) for name in columns})
    return pa.Table.from_pandas(values.customers[columns], preserve_index=False)


def _moves(model: Model, past: Rows, now: Rows, allowed: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    """What may happen to each person within the horizon, as columns of marts.predictions."""
    import pyarrow as pa

    found = predict(model, now)
    known = (model.group(now) >= 0) & now.touched
    kinds = found.at_horizon()
    # (n, kinds, targets): a kind of move leads from a stage to several others in known shares
    targets = kinds[:, :, None] * model.targets[now.stage]
    flat = np.nan_to_num(targets.reshape(len(now), len(KINDS) * len(model.stages)), nan=0.0)
    best = flat.argmax(axis=1) if len(now) else np.zeros(0, dtype=np.int64)
    chance = flat[np.arange(len(now)), best]
    expected = known & (chance >= LEAST_LIKELY)
    kind, target = np.divmod(best, len(model.stages))
    curve = found.incidence[np.arange(len(now)), kind]
    half = (np.nan_to_num(curve) >= np.nan_to_num(curve[:, -1:]) / 2).argmax(axis=1)
    stage = np.asarray(now.stages, dtype=object)
    lapse = model.causes[LAPSE]
    at_risk = known & (model.targets[now.stage, LAPSE].sum(axis=1) > 0)
    found_drivers = drivers.contributions(model, lapse, now, past.where(past.touched)) if lapse.events else None
    told = drivers.told(found_drivers, now, allowed) if found_drivers else pa.nulls(len(now))

    def probability(values: Any, shown: Any) -> pa.Array:
        return pa.array(np.round(values, 4), pa.float64(), mask=~shown)

    origins = {name: known & (model.targets[now.stage, code].sum(axis=1) > 0) for code, name in enumerate(KINDS)}
    return pa.table(
        {
            "profile_id": pa.array(now.profile_id, pa.string()),
            "stage": pa.array(stage[now.stage], pa.string()),
            "next_stage": pa.array(stage[target], pa.string(), mask=~expected),
            "next_stage_probability": probability(chance, expected),
            "next_stage_days": pa.array(half.astype(np.int32), pa.int32(), mask=~expected),
            "stay_probability": probability(found.stay, known),
            **{
                f"{name}_probability": probability(kinds[:, code], origins[name])
                for code, name in enumerate(KINDS)
                if code != LAPSE
            },
            "lapse_risk": probability(kinds[:, LAPSE], at_risk),
            "lapse_drivers": _masked(told, at_risk),
            "reason": pa.array(_reasons(model, now, known), pa.string()),
        }
    )


def _masked(lists: pa.Array, shown: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(shown), lists, pa.scalar(None, lists.type))


def _reasons(model: Model, now: Rows, known: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, Any]:
    reasons = np.full(len(now), None, dtype=object)
    for code, stage in enumerate(now.stages):
        count = int(model.known_people[code]) if len(model.known_people) else 0
        here = (now.stage == code) & ~known
        reasons[here] = (
            f"Only {count} people have been seen in {stage} in the half year before; "
            f"{LEAST_ROWS} are needed to say what follows."
        )
    reasons[~now.touched] = "Nothing has happened with this person yet."
    return reasons


def _card(cause: Cause) -> dict[str, Any]:
    return {
        "kind": KINDS[cause.kind],
        "rows": cause.rows,
        "people": cause.people,
        "events": cause.events,
        "covariates": [
            {
                "covariate": COVARIATES[index].key,
                "label": COVARIATES[index].label,
                "hazard_ratio": round(float(np.exp(value)), 4),
            }
            for index, value in zip(cause.used, cause.coefficients, strict=True)
        ],
    }


def _run(as_of: datetime, inputs: str, checks: list[Check], values: _Value, taught: Model | None) -> dict[str, Any]:
    split_at = as_of - timedelta(days=HORIZON_DAYS) if checks else None
    used = taught is not None and any(cause.used for cause in taught.causes)
    return {
        "as_of": naive(as_of),
        "horizon_days": HORIZON_DAYS,
        "value_days": values.days,
        "split_at": naive(split_at) if split_at else None,
        "coefficients_from": "what was known at the split" if used else "everything",
        "inputs": inputs,
        "purchase_model": _text(values.purchase_model),
        "value_model": _text(values.value_model),
        "reason": None
        if checks
        else f"Too little history before the last {HORIZON_DAYS} days to check predictions against what happened.",
    }


def _text(parameters: dict[str, float]) -> str | None:
    import json

    return json.dumps({name: round(value, 4) for name, value in parameters.items()}) if parameters else None


def _calibration(checks: list[Check]) -> float | None:
    found = [c.calibration_error for c in checks if (c.kind, c.stage, c.tenth) == ("lapse", "all", 0)]
    return found[0] if found else None
