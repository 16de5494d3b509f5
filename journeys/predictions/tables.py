"""The shape of the prediction tables, and how they get into the warehouse in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DRIVERS = "struct(driver varchar, effect varchar, factor double, words varchar)[]"

# marts.predictions: one row per living profile. Probabilities are for the horizon of prediction_runs; they and the
# values are null where nothing can be said, and `reason` says why.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "predictions": {
        "profile_id": "varchar",
        "stage": "varchar",
        "next_stage": "varchar",
        "next_stage_probability": "double",
        "next_stage_days": "integer",
        "stay_probability": "double",
        "forward_probability": "double",
        "back_probability": "double",
        "restart_probability": "double",
        "lapse_risk": "double",
        "lapse_drivers": DRIVERS,
        "reason": "varchar",
        "alive_probability": "double",
        "expected_purchases": "double",
        "lifetime_value": "double",
        "value_reason": "varchar",
    },
    # One row per kind of move.
    "prediction_models": {
        "kind": "varchar",
        "rows": "bigint",
        "people": "bigint",
        "events": "bigint",
        "covariates": "struct(covariate varchar, label varchar, hazard_ratio double)[]",
    },
    # One row per kind, stage and tenth (0: all).
    "prediction_checks": {
        "kind": "varchar",
        "stage": "varchar",
        "tenth": "integer",
        "n": "bigint",
        "events": "bigint",
        "predicted": "double",
        "observed": "double",
        "low": "double",
        "high": "double",
        "concordance": "double",
        "brier": "double",
        "brier_base": "double",
        "calibration_error": "double",
        "chance_error": "double",
    },
    # Exactly one row.
    "prediction_runs": {
        "as_of": "timestamp",
        "horizon_days": "integer",
        "value_days": "integer",
        "split_at": "timestamp",
        "coefficients_from": "varchar",
        "inputs": "varchar",
        "purchase_model": "varchar",
        "value_model": "varchar",
        "reason": "varchar",
    },
}


def write(connection: duckdb.DuckDBPyConnection, content: Mapping[str, pa.Table | list[dict[str, Any]]]) -> None:
    """Replace all prediction tables at once."""
    import pyarrow as pa

    connection.execute("begin")
    connection.execute("create schema if not exists marts")
    for table, columns in COLUMNS.items():
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"create or replace table marts.{table} ({declared})")
        given = content[table]
        rows = pa.Table.from_pylist(given) if isinstance(given, list) else given
        if rows.num_rows:
            connection.register("given_rows", rows)
            order = " order by profile_id" if table == "predictions" else ""
            connection.execute(f"insert into marts.{table} by name select * from given_rows{order}")
            connection.unregister("given_rows")
    connection.execute("commit")
