"""What triggers did, as an asset: the marts read it beside identity."""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
import dagster as dg

from pipelines import firings
from pipelines.assets.identity import identity_key
from pipelines.context import RunContext
from pipelines.guard import guarded


def build_firing_assets() -> list[dg.AssetsDefinition]:
    """One asset, the table that firings are copied to."""

    @dg.asset(
        key=["ops", "trigger_firings"],
        deps=[identity_key("profiles")],
        group_name="identity",
        kinds={"table"},
        description="Firings of triggers and people held out, by the profile that each lives on as.",
        required_resource_keys={"run"},
    )
    def trigger_firings(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        run: RunContext = context.resources.run
        with guarded("trigger firings"):
            rows = firings.copy_firings(run)
        return dg.MaterializeResult(metadata={"rows": rows})

    return [trigger_firings]
