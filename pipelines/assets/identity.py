"""Identity as assets: one step writes the tables that the marts read as sources."""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
from collections.abc import Iterator

import dagster as dg

from pipelines import steps
from pipelines.context import RunContext
from pipelines.guard import guarded

INPUTS = ("int_source_records", "int_device_identifies", "int_devices", "int_marketing_addresses")
OUTPUTS = {
    "identity_map": "Which profile each source record belongs to.",
    "device_map": "Which profile each device belongs to, over time.",
    "golden": "The surviving value of each trait.",
    "golden_origins": "The record that each surviving value came from.",
    "identifiers": "Normalised identifiers for lookup.",
    "profiles": "Every profile id ever given, living or not.",
    "identity_events": "Created, merged, split, moved, retired; append-only.",
}


def identity_key(table: str) -> dg.AssetKey:
    """The asset key of one identity table."""
    return dg.AssetKey(["identity", table])


def build_identity_assets() -> list[dg.AssetsDefinition]:
    """One multi-asset over the identity tables."""

    @dg.multi_asset(
        name="identity_tables",
        specs=[
            dg.AssetSpec(
                identity_key(table),
                deps=[dg.AssetKey(["intermediate", name]) for name in INPUTS],
                group_name="identity",
                kinds={"splink", "table"},
                description=description,
            )
            for table, description in OUTPUTS.items()
        ],
        required_resource_keys={"run"},
    )
    def identity_tables(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        run: RunContext = context.resources.run
        with guarded("identity"):
            report = steps.resolve_identity(run)
        for table in OUTPUTS:
            yield dg.MaterializeResult(
                asset_key=identity_key(table), metadata={"profiles": report.profiles, "records": report.records}
            )

    return [identity_tables]
