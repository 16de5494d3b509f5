"""From checked marts to what is served: snapshot, segments, publication.

The contract checks sit on the marts and block: when one fails, nothing downstream runs and the last good publication
keeps serving.
"""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
from collections.abc import Iterator

import dagster as dg

from expectations.published import MEASURES
from pipelines import publishing, steps
from pipelines.activating import run_triggers
from pipelines.assets.identity import OUTPUTS, identity_key
from pipelines.context import RunContext
from pipelines.guard import guarded

SNAPSHOT = dg.AssetKey(["serving", "snapshot"])
PUBLICATION = dg.AssetKey(["serving", "publication"])


def _carrier(table: str) -> tuple[dg.AssetKey, str]:
    """The mart that carries the check of a published table, and the check's name.

    The identity map is judged together with the marts, so its check sits on the mart that is made of it.
    """
    if table == "identity.identity_map":
        return dg.AssetKey(["marts", "source_records"]), "identity_map_contract"
    # dbt knows this mart by another name than the table it makes.
    model = {"marts.journey_stages": "mart_journey_stages"}.get(table, table.removeprefix("marts."))
    return dg.AssetKey(["marts", model]), "contract"


CHECKED = {table: _carrier(table) for table in MEASURES}


def build_publication_assets(marts: list[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The snapshot of all marts and the publication made of it."""

    @dg.asset(
        key=SNAPSHOT,
        deps=[*marts, *map(identity_key, OUTPUTS)],
        group_name="serving",
        kinds={"duckdb", "file"},
        required_resource_keys={"run"},
        description="Read-only analytical snapshot of this run, not yet pointed at.",
    )
    def serving_snapshot(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        run: RunContext = context.resources.run
        with guarded("snapshot"):
            path = steps.snapshot(run)
        return dg.MaterializeResult(metadata={"bytes": path.stat().st_size, "file": path.name})

    @dg.asset(
        key=PUBLICATION,
        deps=[SNAPSHOT],
        group_name="serving",
        kinds={"sqlite"},
        required_resource_keys={"run"},
        description="Profiles, identifiers, segments and memberships in the store, swapped in one transaction.",
    )
    def serving_publication(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        run: RunContext = context.resources.run
        with guarded("publish"):
            report = publishing.publish(run)
            run_triggers(run.settings)
        return dg.MaterializeResult(metadata=report.counts)

    return [serving_snapshot, serving_publication]


def build_contract_checks() -> list[dg.AssetChecksDefinition]:
    """One blocking check per published table."""

    @dg.multi_asset_check(
        name="published_contracts",
        specs=[
            dg.AssetCheckSpec(name, asset=key, blocking=True, description=f"The data contract of {table}.")
            for table, (key, name) in CHECKED.items()
        ],
        required_resource_keys={"run"},
    )
    def published_contracts(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        run: RunContext = context.resources.run
        with guarded("contracts"):
            reports = {report.name: report for report in steps.check_contracts(run)}
        for table, (key, name) in CHECKED.items():
            failures = reports[table].failures
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key=key,
                passed=not failures,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"broken": [f"{failure.expectation}: {failure.detail}" for failure in failures]},
            )
        with guarded("contracts"):
            steps.require_contracts(list(reports.values()))

    return [published_contracts]
