"""The entry point that Dagster loads: definitions over the state home that the environment names."""

from __future__ import annotations

import dagster as dg

from cdp.settings import load_settings
from pipelines.build import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """Built when Dagster asks, not when this module is imported."""
    return build_definitions(load_settings())
