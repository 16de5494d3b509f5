"""Asset checks beside the contracts: how fresh each source is, and whether the identity map is plausible.

Freshness is judged per source against the data's now. It warns; `CDP_FRESHNESS=block` makes it an error that stops the
run before anything is published. Identity is judged by label-free measures with limits, right after it is resolved:
beyond a limit no mart is built and nothing is published.
"""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
from collections.abc import Iterator

import dagster as dg

from cdp.settings import Settings
from pipelines import steps
from pipelines.assets.identity import identity_key
from pipelines.assets.raw import raw_key
from pipelines.context import RunContext
from pipelines.guard import guarded
from pipelines.sources.registry import ENTITIES


def build_freshness_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """One check per source, on the first of its raw tables."""
    first: dict[str, dg.AssetKey] = {}
    for entity in ENTITIES:
        first.setdefault(entity.source, raw_key(entity.source, entity.entity))
    blocking = settings.freshness == "block"

    @dg.multi_asset_check(
        name="source_freshness",
        specs=[
            dg.AssetCheckSpec(
                "freshness", asset=key, blocking=blocking, description=f"How old the news of {source} is."
            )
            for source, key in first.items()
        ],
        required_resource_keys={"run"},
    )
    def source_freshness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from pipelines.ingest import freshness

        run: RunContext = context.resources.run
        with guarded("freshness"), run.engine.writer() as connection:
            found = {item.source: item for item in freshness.check(connection, run.as_of)}
        severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
        for source, key in first.items():
            item = found.get(source)
            yield dg.AssetCheckResult(
                check_name="freshness",
                asset_key=key,
                passed=item is None or not item.stale,
                severity=severity,
                metadata={"newest": str(item.newest) if item else "no data"},
            )
        with guarded("freshness"):
            freshness.judge(found.values(), run.progress, block=blocking)

    return [source_freshness]


def build_identity_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """One check per measure of the identity map that has a limit; limits that only warn block nothing."""
    from identity.quality_limits import read_limits

    key = identity_key("identity_map")

    @dg.multi_asset_check(
        name="identity_quality",
        specs=[
            dg.AssetCheckSpec(
                name,
                asset=key,
                blocking=limit.severity == "block",
                description=f"At most {limit.at_most:g}.",
            )
            for name, limit in read_limits(settings.identity_limits).items()
        ],
        required_resource_keys={"run"},
    )
    def identity_quality(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        run: RunContext = context.resources.run
        with guarded("identity quality"):
            verdicts = steps.check_identity(run)
        for verdict in verdicts:
            blocks = verdict.severity == "block"
            yield dg.AssetCheckResult(
                check_name=verdict.measure,
                asset_key=key,
                passed=verdict.passed,
                severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
                metadata={"value": verdict.value, "at_most": verdict.at_most, "concerned": verdict.concerned},
            )
        with guarded("identity quality"):
            steps.require_identity(verdicts)

    return [identity_quality]
