"""Reads every declaration: categories, files and tables that dbt does not build (YAML here), models (yml), the store.

ConfigurationError names the file, the table and the column that is declared twice or under an unknown category.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from cdp.errors import ConfigurationError
from privacy.inventory.model import Category, Erasure, FileClass, Inventory, Origin, Rows, Table

HERE = Path(__file__).parent
_CONFIGURED = re.compile(r"\{\{\s*config\((.*?)\)\s*\}\}", re.DOTALL)
_OPTION = re.compile(r"(schema|alias)\s*=\s*[\"'](\w+)[\"']")


def load(dbt_project: Path) -> Inventory:
    """The whole inventory; `dbt_project` is the folder whose `models/` hold the yml files."""
    said = _yaml(HERE / "categories.yaml")
    categories = {key: _category(key, entry, said["purposes"]) for key, entry in said["categories"].items()}
    tables: dict[tuple[str, str], Table] = {}
    for table in [*_written(HERE / "warehouse.yaml"), *_models(dbt_project), *_stored()]:
        if (table.place, table.name) in tables:
            raise ConfigurationError(f"{table.declared_in} declares {table.name}, which is declared elsewhere too.")
        for column, category in table.columns.items():
            if category not in categories:
                known = ", ".join(categories)
                raise ConfigurationError(
                    f"{table.declared_in}, {table.name}.{column}: {category!r} is no category; there are: {known}."
                )
        tables[table.place, table.name] = table
    files = tuple(_file_class(entry, categories) for entry in _yaml(HERE / "files.yaml")["files"].items())
    return Inventory(categories, dict(said["purposes"]), tables, files)


def _category(key: str, entry: Mapping[str, Any], purposes: Mapping[str, str]) -> Category:
    strange = [purpose for purpose in entry["purposes"] if purpose not in purposes]
    if strange:
        raise ConfigurationError(f"categories.yaml, {key}: {strange[0]!r} is no purpose.")
    return Category(
        key=key,
        about=entry["about"],
        origin=cast(Origin, entry["origin"]),
        personal=bool(entry["personal"]),
        purposes=tuple(entry["purposes"]),
        legal_basis=entry["legal_basis"],
        retention=entry["retention"],
    )


def _file_class(item: tuple[str, Mapping[str, Any]], categories: Mapping[str, Category]) -> FileClass:
    key, entry = item
    for category in entry["categories"]:
        if category not in categories:
            raise ConfigurationError(f"files.yaml, {key}: {category!r} is no category.")
    return FileClass(
        key=key,
        pattern=entry["pattern"],
        categories=tuple(entry["categories"]),
        erasure=cast(Erasure, entry["erasure"]),
        about=entry["about"],
        retention=entry["retention"],
    )


def _written(path: Path) -> Iterator[Table]:
    for name, entry in _yaml(path)["tables"].items():
        yield _table("warehouse", name, entry, path.name)


def _models(project: Path) -> Iterator[Table]:
    """Models that declare themselves under `config: meta: personal_data`; a model without is told by `gaps`."""
    texts = {path.stem: path for path in (project / "models").rglob("*.sql")}
    for path in sorted((project / "models").rglob("*.yml")):
        for model in _yaml(path).get("models", []):
            meta = model.get("config", {}).get("meta", {}).get("personal_data")
            if meta is not None and model["name"] in texts:
                yield _table("warehouse", _relation(project, texts[model["name"]]), meta, path.name)


def _relation(project: Path, path: Path) -> str:
    """`schema.table` of a model, as dbt names it: its folder, unless its own config says otherwise."""
    options: dict[str, str] = {}
    for config in _CONFIGURED.findall(path.read_text(encoding="utf-8")):
        options |= dict(_OPTION.findall(config))
    folder = path.relative_to(project / "models").parts[0]
    return f"{options.get('schema', folder)}.{options.get('alias', path.stem)}"


def _stored() -> Iterator[Table]:
    from cdp.store.personal_data import TABLES

    for name, declared in TABLES.items():
        by, *columns = declared.rows
        rows: list[str | dict[str, list[str]]] = ["none"] if by == "none" else [{by: columns}]
        entry = {"rows": rows, "columns": declared.columns, "about": declared.about}
        yield _table("store", name, entry, "cdp/store/personal_data.py")


def _table(place: Literal["warehouse", "store"], name: str, entry: Mapping[str, Any], origin: str) -> Table:
    columns: dict[str, str] = {}
    for category, names in entry["columns"].items():
        for column in names:
            if column in columns:
                raise ConfigurationError(f"{origin}, {name}: column {column} is declared twice.")
            columns[column] = category
    return Table(
        place=place,
        name=name,
        columns=columns,
        rows=tuple(_rows(one) for one in entry["rows"]),
        about=entry.get("about", ""),
        retention=entry.get("retention"),
        declared_in=origin,
    )


def _rows(said: str | Mapping[str, list[str]]) -> Rows:
    if isinstance(said, str):
        return Rows(said)
    ((by, columns),) = said.items()
    return Rows(by, tuple(columns))


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path.name} is not readable YAML: {str(error).splitlines()[0]}.") from None
    return content if isinstance(content, dict) else {}
