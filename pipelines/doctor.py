"""`cdp doctor`: whether this installation can work, each finding with what to do.

Checks what has bitten before: a compiled sqlglot (SQLMesh crashes under it), versions outside the tested range, a state
home that cannot be written, a store or snapshot that cannot be opened, a certificate that ends unnoticed.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from cdp.clock import wall_now
from cdp.errors import CdpError
from cdp.settings import Settings

# The ranges in which the packages are known to work together; see docs/decisions.
TESTED = {
    "dagster": "1.13",
    "dagster-dbt": "0.29",
    "dbt-core": "1.11",
    "dbt-duckdb": "1.11",
    "duckdb": "1.5",
    "splink": "5",
    "sqlmesh": "0.236",
    "great-expectations": "1",
}
LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One check: passed or not, and a sentence."""

    check: str
    ok: bool
    message: str


def examine(settings: Settings) -> list[Finding]:
    """Run all checks; none raises."""
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("packages", _packages),
        ("sqlglot", _sqlglot),
        ("state home", _home),
        ("disk", _disk),
        ("warehouse", _warehouse),
        ("store", _store),
        ("snapshot", _snapshot),
        ("OpenDSR", _opendsr),
    ]
    findings = []
    for name, check in checks:
        try:
            findings.append(Finding(name, True, check(settings)))
        except (CdpError, OSError) as error:
            findings.append(Finding(name, False, str(error)))
    return findings


def _packages(_: Settings) -> str:
    wrong = []
    for package, prefix in TESTED.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            wrong.append(f"{package} is missing")
            continue
        if not (version == prefix or version.startswith(prefix + ".")):
            wrong.append(f"{package} {version} (tested: {prefix})")
    if wrong:
        raise CdpError(f"{'; '.join(wrong)}. Install the lock: `make install`.")
    return f"{len(TESTED)} packages are in their tested range"


def _sqlglot(_: Settings) -> str:
    for compiled in ("sqlglotc", "sqlglotrs"):
        if importlib.util.find_spec(compiled):
            raise CdpError(f"{compiled} is installed and SQLMesh crashes under it: run `pip uninstall {compiled}`.")
    return "pure Python, as SQLMesh needs it"


def _home(settings: Settings) -> str:
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.home) as probe:
        probe.write(b"probe")
    return f"{settings.home} can be written"


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(settings.home).free
    if free < LEAST_FREE_BYTES:
        raise CdpError(f"Only {free // 1024**2:,} MiB are free under {settings.home}; a run needs at least 2 GiB.")
    return f"{free // 1024**3:,} GiB free"


def _warehouse(settings: Settings) -> str:
    from cdp.engine.duckdb import open_engine

    if not settings.warehouse.exists():
        return "not built yet"
    with open_engine(settings).reader() as connection:
        tables = connection.execute("select count(*) from information_schema.tables").fetchall()[0][0]
    return f"{tables} tables"


def _store(settings: Settings) -> str:
    from cdp.store import open_store

    with open_store(settings.database_url) as store:
        current = store.current_publication()
    return f"opens; publication {current.run_id}" if current else "opens; nothing published yet"


def _snapshot(settings: Settings) -> str:
    from cdp.store import snapshots

    path = snapshots.current(settings.serving)
    if path is None:
        return "none yet"
    if not path.exists():
        raise CdpError(f"The served snapshot {path.name} is missing: run `cdp run` again.")
    return path.name


def _opendsr(settings: Settings) -> str:
    from privacy.opendsr import certificate

    signer = certificate.load(settings.opendsr_certificate, settings.opendsr_key)
    if signer is None:
        return "no certificate is set"
    if advice := signer.advice(wall_now()):
        raise CdpError(advice)
    return f"signs as {signer.domain} until {signer.valid_until.date()}"
