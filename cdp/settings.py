"""The only reader of the environment.

`Settings` is read once at an entry point (CLI, API, Dagster) and handed down as values. Every setting has the prefix
`CDP_`; `.env` in the working directory is read too. Paths under the state home are properties, so that no other module
knows the layout of `var/`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from cdp.clock import SystemClock
from cdp.errors import ConfigurationError
from cdp.wording import reason

# What `tool_environment` sets for dbt beside the settings.
_FOR_TOOLS = {"CDP_WAREHOUSE", "CDP_SPILL"}

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """All settings, validated, with the reason for each default beside it."""

    # An empty variable is none: an unset shell variable must not make the working directory the home.
    model_config = SettingsConfigDict(
        env_prefix="CDP_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(Path("var"), description="Where all run-time state lives.")
    as_of: datetime | None = Field(
        None,
        examples=["2026-01-01T00:00:00Z"],
        description='The data\'s "now", ISO 8601 with zone; empty means the clock.',
    )
    engine: Literal["duckdb"] = Field("duckdb", description="Analytical engine.")
    store_url: str | None = Field(
        None, description="SQLAlchemy URL of the store; default is SQLite under the state home."
    )
    # Two cores and 4 GB are what a small server has to spare; a larger machine sets both.
    threads: int = Field(2, ge=1, le=256, description="Threads the engine may use.")
    memory_limit: str = Field(
        "4GB", pattern=r"^\d+(\.\d+)?\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB)$", examples=["4GB", "512MB"]
    )
    max_spill: str = Field("50GB", description="Most disk the engine may spill to.")
    api_host: str = "127.0.0.1"
    api_port: int = Field(8321, ge=1, le=65535)
    dagster_port: int = Field(3321, ge=1, le=65535)
    freshness: Literal["warn", "block"] = Field("warn", description="Whether a stale source blocks publishing.")
    stage_set: str = Field(
        "retail",
        pattern=r"^[a-z][a-z0-9_]*$",
        examples=["retail", "b2b"],
        description="Folder of dbt_project/seeds with the rules of the journey.",
    )
    mapping_dir: Path | None = Field(None, description="Folder of source mapping files that replace the shipped ones.")
    identity_limits: Path | None = Field(None, description="YAML with the limits of identity; default: shipped.")
    privacy_dir: Path | None = Field(
        None, description="Keys, journal and receipts of erasures; keep it out of backups of the home."
    )
    privacy_rules: Literal["gdpr", "ccpa", "pipl"] = Field("gdpr", description="Whose deadlines requests have.")
    privacy_zone: str = Field("UTC", description="Time zone in which the days of a deadline begin and end.")
    privacy_holidays: Path | None = Field(
        None, description="Text file with a holiday a line; deadlines do not end on one where the rules say so."
    )
    privacy_four_eyes: bool = Field(
        False, description="Whether an erasure is approved by somebody else than who asked for it."
    )
    privacy_holds: Path | None = Field(
        None, description="YAML with the bases of legal holds and what each keeps; default: shipped."
    )
    privacy_package_days: int = Field(
        30, ge=1, le=365, description="How long the package of an access or portability request can be fetched."
    )
    privacy_retention: Path | None = Field(
        None, description="YAML with rules of retention; without one nothing goes by age."
    )
    opendsr_certificate: Path | None = Field(
        None, description="PEM file with the certificate that signs OpenDSR answers, and those up to its authority."
    )
    opendsr_key: Path | None = Field(None, description="PEM file with the RSA key of that certificate.")
    survivorship: Path | None = Field(None, description="YAML with the rules of golden records; default: shipped.")
    outbound_allow: str = Field(
        "", description="Hosts and networks that webhooks may call though they are private, with commas between."
    )
    inbox_dir: Path | None = Field(None, description="Folder watched for deliveries; default is inbox/ in the home.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("as_of")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("it needs a time zone, for example 2026-01-01T00:00:00Z")
        return value.astimezone(UTC) if value else None

    @cached_property
    def clock(self) -> SystemClock:
        """The data's clock."""
        return SystemClock(self.as_of)

    @property
    def inbox(self) -> Path:
        """The folder that the sensor watches; deliveries are laid out like the reference formats."""
        return self.inbox_dir or self.home / "inbox"

    @property
    def landing(self) -> Path:
        """Immutable landing batches, as received."""
        return self.home / "landing"

    @property
    def warehouse(self) -> Path:
        """The analytical database; only the pipeline opens it."""
        return self.home / "warehouse.duckdb"

    @property
    def serving(self) -> Path:
        """Published read-only snapshots and the pointer to the current one."""
        return self.home / "serving"

    @property
    def exports(self) -> Path:
        """Files people asked for."""
        return self.home / "exports"

    @property
    def packages(self) -> Path:
        """Sealed packages of access and portability requests; their keys are in the privacy folder."""
        return self.home / "packages"

    @property
    def tmp(self) -> Path:
        """Spill and scratch space; emptied at the start of each run."""
        return self.home / "tmp"

    @property
    def dbt_artifacts(self) -> Path:
        """dbt's `target/` and `logs/`; they copy values, so they live with the state."""
        return self.home / "dbt"

    @property
    def sqlmesh_state(self) -> Path:
        """SQLMesh previews: the copied warehouse, cache and logs."""
        return self.home / "sqlmesh"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.home / "dagster"

    @property
    def privacy(self) -> Path:
        """Keys, journal and receipts of erasures; never restored from a backup of the home."""
        return (self.privacy_dir or self.home / "privacy").expanduser().absolute()

    @property
    def writer_lock(self) -> Path:
        """The file whose lock makes the pipeline the only writer."""
        return self.home / "writer.lock"

    @property
    def dbt_project(self) -> Path:
        """The dbt project that dbt and SQLMesh share."""
        return PROJECT_ROOT / "dbt_project"

    @property
    def database_url(self) -> str:
        """The store's SQLAlchemy URL."""
        return self.store_url or f"sqlite:///{self.home / 'store.sqlite'}"


def load_settings(**overrides: object) -> Settings:
    """Read the environment once; `overrides` win. Raises ConfigurationError naming the variable and the reason."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        field = "_".join(str(part) for part in first["loc"])
        known = Settings.model_fields.get(field)
        told = reason(first, known.examples if known else None)
        raise ConfigurationError(f"CDP_{field.upper()} is not usable: {told}") from None


def unknown_variables() -> dict[str, str | None]:
    """Names in the environment and in `.env` that begin like settings but are none, each with the nearest setting."""
    known = {f"CDP_{name.upper()}" for name in Settings.model_fields}
    given = {name.upper() for name in (*os.environ, *DotEnvSettingsSource(Settings).env_vars)}
    unknown = sorted(name for name in given - known - _FOR_TOOLS if name.startswith("CDP_"))
    # The prefix would make all of them look alike.
    plain = {name.removeprefix("CDP_"): name for name in known}
    near = {name: get_close_matches(name.removeprefix("CDP_"), plain, n=1) for name in unknown}
    return {name: plain[found[0]] if found else None for name, found in near.items()}


def child_environment(settings: Settings, **extra: str) -> dict[str, str]:
    """The environment for a child process (dbt, Dagster): ours, telemetry off, paths set."""
    return {**os.environ, **tool_environment(settings), **extra}


def apply_tool_environment(settings: Settings, **extra: str) -> None:
    """Set the same variables in this process, before a tool that reads them is imported."""
    os.environ.update({**tool_environment(settings), **extra})


def tool_environment(settings: Settings) -> dict[str, str]:
    """Variables that the libraries read: telemetry off, state under the state home."""
    return {
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "true",
        "GX_ANALYTICS_ENABLED": "false",
        "DAGSTER_HOME": str(settings.dagster_home),
        "CDP_HOME": str(settings.home),
        "CDP_WAREHOUSE": str(settings.warehouse),
        "CDP_SPILL": str(settings.tmp / "models"),
        "CDP_THREADS": str(settings.threads),
        "CDP_MEMORY_LIMIT": settings.memory_limit,
        "CDP_MAX_SPILL": settings.max_spill,
    }


def calm_matrices() -> None:
    """One thread per matrix product, unless somebody chose otherwise; to be called before numpy is imported.

    Matrices here have thousands of rows and tens of columns. OpenBLAS's threads wait for each other by spinning, so on
    a machine with other work to do such a product takes many times as long with two threads as with one.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
