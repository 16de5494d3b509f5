"""What people put right, as an asset: the models before identity read it beside what sources say."""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
import dagster as dg

from pipelines import corrections
from pipelines.context import RunContext
from pipelines.guard import guarded


def build_correction_assets() -> list[dg.AssetsDefinition]:
    """One asset, the table that corrections are copied to."""

    @dg.asset(
        key=["ops", "corrections"],
        group_name="landing",
        kinds={"table"},
        description="The right value of each field of a source record that was put right.",
        required_resource_keys={"run"},
    )
    def received_corrections(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        run: RunContext = context.resources.run
        with guarded("corrections"):
            rows = corrections.receive(run)
        return dg.MaterializeResult(metadata={"rows": rows})

    return [received_corrections]
