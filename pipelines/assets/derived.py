"""What is derived from checked marts by more than SQL models: one asset per step, one after another.

The tables that readers rely on carry a blocking check of their own, so that a broken one is never published.
"""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from pipelines import derive, steps
from pipelines.context import RunContext
from pipelines.guard import guarded

RULES = dg.AssetKey(["marts", "stage_rule_versions"])
FEELINGS = dg.AssetKey(["marts", "ticket_feelings"])
PERSONAS = dg.AssetKey(["marts", "personas"])
PREDICTIONS = dg.AssetKey(["marts", "predictions"])
ACTIONS = dg.AssetKey(["marts", "next_actions"])

# In the order in which they run: a step may read what the ones before it wrote.
STEPS: dict[dg.AssetKey, tuple[str, Callable[[RunContext], Any], str]] = {
    RULES: ("rules", derive.stage_rules, "Versions of the stage rules, and how many people each change moved."),
    FEELINGS: ("feelings", derive.feelings, "What tickets without a rating say about how people feel."),
    PERSONAS: ("personas", derive.personas, "What kind of customer everybody is, by behaviour."),
    PREDICTIONS: ("predictions", derive.predictions, "Next stage, risk of lapsing and value of everybody."),
    ACTIONS: ("actions", derive.actions, "The next best action of everybody to whom an intervention applies."),
}
KEYS = tuple(STEPS)
# Table → the asset that carries its check.
CHECKED = {"marts.predictions": PREDICTIONS}


def build_derived_assets(marts: list[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The assets in the order in which they run."""
    built = []
    before = marts
    for key in KEYS:
        built.append(_asset(key, before))
        before = [key]
    return built


def _asset(key: dg.AssetKey, before: list[dg.AssetKey]) -> dg.AssetsDefinition:
    name, work, description = STEPS[key]

    @dg.asset(
        key=key,
        deps=before,
        group_name="marts",
        kinds={"table"},
        required_resource_keys={"run"},
        description=description,
    )
    def derived(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        run: RunContext = context.resources.run
        with guarded(name):
            work(run)
        last = run.steps[-1]
        return dg.MaterializeResult(metadata={"rows": last.rows, "detail": last.detail})

    return derived


def build_derived_checks() -> list[dg.AssetChecksDefinition]:
    """One blocking check per derived table that has a contract."""

    @dg.multi_asset_check(
        name="derived_contracts",
        specs=[
            dg.AssetCheckSpec("contract", asset=key, blocking=True, description=f"The data contract of {table}.")
            for table, key in CHECKED.items()
        ],
        required_resource_keys={"run"},
    )
    def derived_contracts(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        run: RunContext = context.resources.run
        with guarded("derived contracts"):
            reports = {report.name: report for report in derive.check_derived(run)}
        for table, key in CHECKED.items():
            failures = reports[table].failures
            yield dg.AssetCheckResult(
                check_name="contract",
                asset_key=key,
                passed=not failures,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"broken": [f"{failure.expectation}: {failure.detail}" for failure in failures]},
            )
        with guarded("derived contracts"):
            steps.require_contracts(list(reports.values()))

    return [derived_contracts]
