"""The fences that keep the tree honest: layers, the environment, the clock, file size, import cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "cdp",
    "pipelines",
    "identity",
    "segments",
    "activation",
    "privacy",
    "expectations",
    "journeys",
    "demo",
    "api",
)
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {"dagster", "dagster_dbt", "dbt", "great_expectations", "splink", "sqlmesh", "pandas", "scipy", "lifelines"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append(node.module)
    return found


def test_layers_and_package_fences_hold() -> None:
    completed = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert completed.returncode == 0, completed.stdout[-3000:]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_file_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400, "split this file: more than 400 lines"
    assert ast.get_docstring(ast.parse(text)), "the module needs a charter: what lives here, what must not"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_functions_are_short(path: Path) -> None:
    long = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > 70
    ]
    assert not long, f"over 70 lines: {long}"


def test_only_settings_reads_the_environment() -> None:
    readers = [name(p) for p in FILES if "os.environ" in p.read_text() or "getenv" in p.read_text()]
    assert readers == ["cdp/settings.py"]


def test_only_clock_reads_the_wall_clock() -> None:
    calls = ("datetime.now(", "datetime.utcnow(", "time.time(", "time.monotonic(", "time.perf_counter(", "date.today(")
    readers = [name(p) for p in FILES if any(call in p.read_text() for call in calls)]
    assert readers == ["cdp/clock.py"]


def test_models_never_ask_the_engine_for_now() -> None:
    words = ("current_date", "current_timestamp", "now()", "today()", "target.type")
    offenders = [
        name(p)
        for p in sorted((ROOT / "dbt_project" / "models").rglob("*.sql"))
        if any(word in p.read_text().lower() for word in words)
    ]
    assert offenders == []


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    offenders = {}
    for path in FILES:
        if path.is_relative_to(ROOT / "pipelines") and not path.is_relative_to(ROOT / "pipelines" / "sources"):
            allowed = {"dagster", "dagster_dbt"}
        else:
            allowed = set()
        top = ast.Module([n for n in ast.parse(path.read_text()).body if not isinstance(n, ast.If)], [])
        body = [n for n in top.body if isinstance(n, ast.Import | ast.ImportFrom)]
        found = {module.split(".")[0] for module in imports(ast.Module(body, []))} & (HEAVY - allowed)
        if found:
            offenders[name(path)] = sorted(found)
    assert offenders == {}


def test_help_is_instant() -> None:
    """`cdp --help` loads none of the libraries that cost seconds (a fact, where a time would depend on the machine)."""
    code = "import sys, cdp.cli.app; print(sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for library in (*HEAVY, "duckdb", "pyarrow", "numpy", "sqlalchemy", "fastapi", "pydantic", "sqlglot"):
        assert f"'{library}'" not in loaded, f"cdp --help imports {library}"


def test_the_project_speaks_only_of_itself() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "uv.lock" not in tracked
    lock = (ROOT / "requirements.lock").read_text()
    assert "http://" not in lock and "https://" not in lock
