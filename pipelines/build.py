"""Builds fresh Dagster definitions from settings; nothing is wired at import.

`build_definitions` takes overrides, so that a test or another deployment can replace one resource or one asset without
patching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from cdp.settings import Settings, apply_tool_environment
from pipelines import jobs, manifest
from pipelines.assets import derived
from pipelines.assets.corrections import build_correction_assets
from pipelines.assets.firings import build_firing_assets
from pipelines.assets.identity import build_identity_assets
from pipelines.assets.models import build_model_assets
from pipelines.assets.publication import build_contract_checks, build_publication_assets
from pipelines.assets.raw import build_raw_assets
from pipelines.checks import build_freshness_checks, build_identity_checks
from pipelines.context import Progress, StepReport, quiet
from pipelines.resources import dbt_resource, run_resource


def build_definitions(
    settings: Settings,
    *,
    progress: Progress = quiet,
    account: list[StepReport] | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
    extra_assets: Sequence[dg.AssetsDefinition] = (),
) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors over one state home; steps add their lines to `account`.

    Compiles the dbt manifest first when the project changed since the last time (some seconds).
    """
    apply_tool_environment(settings)
    before, after = build_model_assets(manifest.ensure_manifest(settings))
    marts = [key for models in (before, after) for key in models.keys if key.path[0] == "marts"]
    from_identity = [
        *build_identity_assets(),
        *build_firing_assets(),
        after,
        *derived.build_derived_assets(marts),
        *build_publication_assets([*marts, *derived.KEYS]),
    ]
    assets = [*build_raw_assets(), *build_correction_assets(), before, *from_identity, *extra_assets]
    resources: dict[str, Any] = {
        "run": run_resource(settings, progress, account),
        "dbt": dbt_resource(settings),
        **(resource_overrides or {}),
    }
    job = jobs.build_job()
    return dg.Definitions(
        assets=assets,
        asset_checks=[
            *build_contract_checks(),
            *derived.build_derived_checks(),
            *build_freshness_checks(settings),
            *build_identity_checks(settings),
        ],
        jobs=[job, jobs.build_decisions_job(from_identity)],
        schedules=[jobs.build_schedule(job)],
        sensors=[jobs.build_inbox_sensor(job, settings)],
        resources=resources,
        executor=dg.in_process_executor,
    )
