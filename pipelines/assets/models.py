"""The dbt models as assets, in two invocations: before identity (staging, intermediate) and after it (marts)."""

# No postponed annotations here: Dagster reads the type of `context` when the function is decorated.
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from cdp.errors import CheckFailed
from pipelines import transform
from pipelines.context import RunContext
from pipelines.guard import guarded


class Translator(DagsterDbtTranslator):
    """Asset keys are schema and table, groups are the layers."""

    def get_asset_key(self, dbt_resource_props: dict[str, Any]) -> dg.AssetKey:  # type: ignore[override]
        """`[schema, table]` for models, seeds and sources alike."""
        schema = dbt_resource_props.get("source_name") or dbt_resource_props["schema"]
        return dg.AssetKey([schema, dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: dict[str, Any]) -> str | None:  # type: ignore[override]
        """The layer, which is the folder: seeds, staging, intermediate, marts with the steps on the way to them."""
        return str(dbt_resource_props["schema"] if len(dbt_resource_props["fqn"]) < 3 else dbt_resource_props["fqn"][1])


def build_model_assets(manifest: Path) -> list[dg.AssetsDefinition]:
    """Two dbt asset definitions, one per invocation."""
    translator = Translator()

    def invoke(layer: str, context: dg.AssetExecutionContext) -> Iterator[Any]:
        run: RunContext = context.resources.run
        dbt: DbtCliResource = context.resources.dbt
        with guarded(layer), run.step(layer) as step:
            command = transform.dbt_arguments(run.settings, layer, full_refresh=run.full_refresh)
            # The selection is that of the asset definition; dagster-dbt adds it, narrowed to what was asked for.
            place = command.index("--select")
            arguments = command[:place] + command[place + 2 :]
            invocation = dbt.cli(
                arguments,
                context=context,
                dagster_dbt_translator=translator,
                raise_on_error=False,
                target_path=manifest.parent,
            )
            # dagster-dbt repeats dbt's log on stdout, which belongs to the answer of the command that was called.
            with redirect_stdout(io.StringIO()):
                events = list(invocation.stream())
            step.rows = len(events)
            yield from events
            step.detail = "(models and tests)"
            if not invocation.is_successful():
                raise CheckFailed(transform.explain_failure(invocation.target_path))
            transform.mark_built(run.settings, layer)

    @dbt_assets(
        manifest=manifest,
        select=transform.SELECT["staging"],
        name="models_before_identity",
        dagster_dbt_translator=translator,
        required_resource_keys={"run", "dbt"},
    )
    def models_before_identity(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from invoke("staging", context)

    @dbt_assets(
        manifest=manifest,
        select=transform.SELECT["marts"],
        name="models_after_identity",
        dagster_dbt_translator=translator,
        required_resource_keys={"run", "dbt"},
    )
    def models_after_identity(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from invoke("marts", context)

    return [models_before_identity, models_after_identity]
