"""The model card: what predictions rest on and how they came out, read from a published snapshot."""

from __future__ import annotations

import json
from typing import Any

import duckdb

from cdp.errors import NotFoundError

WORDING = (
    "Probabilities come from what followed similar moments in this data. Hazard ratios and drivers describe "
    "association; changing a fact need not change what follows."
)


def read(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Horizon, models with n and events, checks against what happened; NotFoundError when nothing was predicted yet.

    Shape: {as_of, horizon_days, split_at, reason, coverage, models: [...], checks: [{kind, stage, n, events, predicted,
    observed, low, high, concordance, calibration_error, …, tenths: [...]}], value: {...}, wording}.
    """
    try:
        run = _rows(connection, "select * from marts.prediction_runs")
    except duckdb.CatalogException:
        run = []
    if not run:
        raise NotFoundError("The snapshot holds no predictions yet: run `cdp run` again.")
    found = run[0]
    checks = _rows(connection, "select * from marts.prediction_checks order by kind, stage <> 'all', stage, tenth")
    coverage = _rows(
        connection,
        """
        select
            count(*) as profiles,
            count(stay_probability) as with_stage_prediction,
            count(lapse_risk) as with_lapse_risk,
            count(lifetime_value) as with_lifetime_value
        from marts.predictions
        """,
    )[0]
    return {
        "as_of": found["as_of"],
        "horizon_days": found["horizon_days"],
        "split_at": found["split_at"],
        "coefficients_from": found["coefficients_from"],
        "reason": found["reason"],
        "coverage": coverage,
        "without_prediction": _rows(
            connection,
            "select reason, count(*) as profiles from marts.predictions where reason is not null "
            "group by reason order by profiles desc, reason",
        ),
        "models": _rows(connection, "select * from marts.prediction_models order by kind"),
        "checks": _with_tenths(checks),
        "value": {
            "days": found["value_days"],
            "purchase_model": json.loads(found["purchase_model"] or "null"),
            "value_model": json.loads(found["value_model"] or "null"),
        },
        "wording": WORDING,
    }


_TENTH = ("tenth", "n", "events", "predicted", "observed", "low", "high")


def _with_tenths(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    whole = []
    for check in checks:
        if check["tenth"]:
            continue
        parts = [
            {name: part[name] for name in _TENTH}
            for part in checks
            if part["tenth"] and (part["kind"], part["stage"]) == (check["kind"], check["stage"])
        ]
        whole.append({**{name: value for name, value in check.items() if name != "tenth"}, "tenths": parts})
    return whole


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    result = connection.execute(sql)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
