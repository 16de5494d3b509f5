"""The PostgreSQL server of the contract suite, for pipelines that run on it."""

from __future__ import annotations

from tests.contract.conftest import postgres_server, postgres_url  # noqa: F401
