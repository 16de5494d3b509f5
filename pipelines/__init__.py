"""Dagster and what it runs: definitions, jobs, resources, schedules, sensors, checks and assets.

Reading lives in `sources` and `ingest`, which never import Dagster. Import concrete submodules; this package wires
nothing.
"""
