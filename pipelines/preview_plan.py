"""The child process of a preview: plans two versions of the dbt project with SQLMesh and compares their rows.

Run as `python -m pipelines.preview_plan ENVIRONMENT BEFORE AFTER ANSWER`; the environment variables of `cdp.settings`
say which (copied) warehouse. The answer is one JSON file with counts and names only, never values of records.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from pipelines.preview import BASELINE
from pipelines.stage_set import marked

_AUDIT_FAILED = re.compile(r"'([^']+)' audit error: (\d+) rows? failed")


def main(environment: str, before: Path, after: Path, answer: Path) -> None:
    """Plan and compare, and write the answer."""
    from sqlmesh.core.console import NoopConsole, set_console
    from sqlmesh.utils.errors import PlanError, SQLMeshError

    failed: list[str] = []
    warned: list[str] = []

    class Listener(NoopConsole):
        """Hears which models failed and which tests found rows; SQLMesh says these two nowhere else."""

        def log_failed_models(self, errors: list[Any]) -> None:
            failed.extend(_told(error) for error in errors)

        def log_warning(self, short_message: str, *_: Any, **__: Any) -> None:
            warned.append(short_message)

    set_console(Listener())
    found: dict[str, Any] = {"changes": [], "models": 0, "failed": failed, "unreadable": None, "broken_tests": []}
    try:
        found.update(_plan_both(environment, before, after, warned))
    except PlanError:
        failed.append("a model failed") if not failed else None
    except SQLMeshError as error:
        found["unreadable"] = " ".join(str(error).split())[:300].rstrip(".")
    answer.write_text(json.dumps(found))


def _plan_both(environment: str, before: Path, after: Path, warned: list[str]) -> dict[str, Any]:
    """Build the former version as `BASELINE` and the present one as `environment`, on the same data."""
    former = _context(before)
    former.plan(BASELINE, no_prompts=True, auto_apply=True, skip_tests=True, include_unmodified=True)
    former.close()
    present = _context(after)
    plan = present.plan_builder(environment, create_from=BASELINE, skip_tests=True, include_unmodified=True).build()
    changes = _changes(plan.context_diff)
    warned.clear()
    present.apply(plan)
    broken = [_broken(*match.groups()) for message in warned if (match := _AUDIT_FAILED.search(message))]
    keys = _keys(after)
    for change in changes:
        if change["change"] in {"modified", "affected"}:
            change["rows"] = _compare(present.engine_adapter, change["model"], environment, keys)
    models = len(present.models)
    present.close()
    return {"changes": changes, "models": models, "broken_tests": broken}


def _context(project: Path) -> Any:
    from sqlmesh import Context
    from sqlmesh.core.config import ModelDefaultsConfig
    from sqlmesh.dbt.loader import sqlmesh_config

    # The project's own config.py says the same; two versions in one process would share its module.
    defaults = ModelDefaultsConfig(dialect="duckdb", start="2020-01-01")
    return Context(
        paths=[str(project)],
        config=sqlmesh_config(project, model_defaults=defaults, variables={"stage_set": marked(project)}),
    )


def _changes(diff: Any) -> list[dict[str, Any]]:
    from sqlmesh.core.snapshot.definition import SnapshotChangeCategory as Category

    def entry(name: str, change: str, breaking: bool | None = None) -> dict[str, Any]:
        return {"model": _plain(name), "change": change, "breaking": breaking, "rows": None}

    found = [entry(diff.snapshots[added].name, "added") for added in diff.added if diff.snapshots[added].is_model]
    found += [entry(info.name, "removed") for info in diff.removed_snapshots.values() if info.is_model]
    for name, (snapshot, _) in diff.modified_snapshots.items():
        if snapshot.is_model:
            breaking = snapshot.change_category in {Category.BREAKING, Category.INDIRECT_BREAKING}
            found.append(entry(name, "modified" if diff.directly_modified(name) else "affected", breaking))
    order = ["added", "removed", "modified", "affected"]
    return sorted(found, key=lambda change: (order.index(change["change"]), change["model"]))


def _keys(project: Path) -> dict[str, list[str]]:
    """Key columns per model name, read from the `grain` tests."""
    keys: dict[str, list[str]] = {}
    for path in [*(project / "models").rglob("*.yml"), *(project / "seeds").rglob("*.yml")]:
        content = yaml.safe_load(path.read_text())
        for node in [*content.get("models", []), *content.get("seeds", [])]:
            grains = [test["grain"] for test in node.get("data_tests", []) if "grain" in test]
            if grains:
                keys[node["name"]] = grains[0]["arguments"]["columns"]
    return keys


def _compare(adapter: Any, model: str, environment: str, keys: dict[str, list[str]]) -> dict[str, int]:
    """Counts of rows by key between the two versions; without a key, of whole rows."""
    schema, table = model.split(".")
    old, new = f"{schema}__{BASELINE}.{table}", f"{schema}__{environment}.{table}"
    columns = [name for name in adapter.columns(old) if name in adapter.columns(new)]
    before, after = (adapter.fetchone(f"select count(*) from {name}")[0] for name in (old, new))
    key = keys.get(table) or keys.get(f"mart_{table}") or columns
    rest = [name for name in columns if name not in key]
    match = " and ".join(f'o."{name}" is not distinct from n."{name}"' for name in key)
    differs = " or ".join(f'o."{name}" is distinct from n."{name}"' for name in rest) or "false"
    matched, changed = adapter.fetchone(
        f"select count(*), count(*) filter (where {differs}) from {old} as o inner join {new} as n on {match}"
    )
    return {
        "before": before,
        "after": after,
        "only_before": before - matched,
        "only_after": after - matched,
        "changed": changed,
    }


def _plain(name: str) -> str:
    """`marts.profiles` from `"warehouse"."marts"."profiles"`."""
    return name.replace('"', "").split(".", 1)[-1]


def _broken(name: str, rows: str) -> str:
    """A test and its count, without the package and the digest that dbt puts around its name."""
    return f"{re.sub(r'^wayfinder[.]|[.][0-9a-f]{10}$', '', name)} finds {rows} row(s)"


def _told(error: Any) -> str:
    """Which model failed and the class of the reason; the message itself can quote a record."""
    node = getattr(error.node, "snapshot_name", "a model")
    return f"{_plain(str(node))} ({type(error.__cause__).__name__})"


if __name__ == "__main__":
    main(sys.argv[1], *(Path(argument) for argument in sys.argv[2:5]))
