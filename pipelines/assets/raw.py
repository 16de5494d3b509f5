"""Landing and raw: what was delivered, then every record once with its batch, file and line."""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
from collections.abc import Iterator

import dagster as dg

from pipelines import steps
from pipelines.context import RunContext
from pipelines.guard import guarded
from pipelines.sources.registry import ENTITIES

LANDED = dg.AssetKey(["landing", "files"])
RETRY = dg.RetryPolicy(max_retries=1, delay=2)


def raw_key(source: str, entity: str) -> dg.AssetKey:
    """The asset key of one raw table; dbt's source of the same table has the same key."""
    return dg.AssetKey(["raw", f"{source}_{entity}"])


def build_raw_assets() -> list[dg.AssetsDefinition]:
    """The landing asset and one asset per raw table."""

    @dg.asset(
        key=LANDED,
        group_name="landing",
        kinds={"file"},
        required_resource_keys={"run"},
        retry_policy=RETRY,
        description="Immutable copies of the delivered files, each with checksum and row count.",
    )
    def landing_files(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        run: RunContext = context.resources.run
        with guarded("land"):
            pending = steps.land(run)
        return dg.MaterializeResult(metadata={"files": len(pending)})

    @dg.multi_asset(
        name="raw_tables",
        specs=[
            dg.AssetSpec(
                raw_key(entity.source, entity.entity),
                deps=[LANDED],
                group_name="raw",
                kinds={"duckdb", "table"},
                description=f"Every {entity.entity} record of {entity.source} as received.",
            )
            for entity in ENTITIES
        ],
        required_resource_keys={"run"},
        retry_policy=RETRY,
    )
    def raw_tables(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        run: RunContext = context.resources.run
        with guarded("raw"):
            totals = steps.load(run).entities
        for entity in ENTITIES:
            counts = totals.get(f"{entity.source}.{entity.entity}", {})
            yield dg.MaterializeResult(asset_key=raw_key(entity.source, entity.entity), metadata=dict(counts))

    return [landing_files, raw_tables]
