"""The bases of legal holds and what each keeps, as declared in `bases.yaml` or in a file of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cdp.errors import ConfigurationError, InputError

SHIPPED = Path(__file__).parent / "bases.yaml"


@dataclass(frozen=True)
class Category:
    """Rows of one kind of record (`of`, as source.entity), reduced to `fields`; `only`: field to its allowed values."""

    key: str
    of: str
    fields: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Bases:
    """Categories by name, and the categories that each basis keeps."""

    categories: Mapping[str, Category]
    keeps: Mapping[str, tuple[str, ...]]

    def choose(self, basis: str, wanted: Sequence[str]) -> tuple[str, ...]:
        """The categories of a hold: those of the basis, or the wanted ones among them. InputError for others."""
        if basis not in self.keeps:
            raise InputError(f"{_named(basis)} is no basis of a hold{_nearest(basis, self.keeps)}.")
        kept = self.keeps[basis]
        for one in wanted:
            if one not in kept:
                raise InputError(f"The basis {basis} keeps no category {_named(one)}{_nearest(one, kept)}.")
        return tuple(one for one in kept if one in wanted) if wanted else kept


def load(path: Path | None = None) -> Bases:
    """The declared bases. ConfigurationError names the file, the entry and what to write instead."""
    import yaml

    file = path or SHIPPED
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"CDP_PRIVACY_HOLDS: {file.name} cannot be read as text.") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file.name} is not readable YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(content, dict) or set(content) != {"categories", "bases"}:
        raise ConfigurationError(f"{file.name} says categories and bases, and nothing else.")
    categories = {key: _category(file.name, key, entry) for key, entry in _mapping(file.name, content["categories"])}
    keeps = {key: _keeps(file.name, key, entry, categories) for key, entry in _mapping(file.name, content["bases"])}
    return Bases(categories, keeps)


def _mapping(file: str, said: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(said, dict) or not said:
        raise ConfigurationError(f"{file}: categories and bases each hold at least one name with its entry.")
    return said.items()


def _category(file: str, key: str, entry: Any) -> Category:
    if not isinstance(entry, dict) or not {"of", "fields"} <= set(entry) <= {"about", "of", "fields", "only"}:
        raise ConfigurationError(f"{file}, categories.{key}: say about, of and fields, and only where it is needed.")
    only = entry.get("only", {})
    if not _texts(entry["fields"]) or not isinstance(only, dict) or not all(_texts(one) for one in only.values()):
        raise ConfigurationError(f"{file}, categories.{key}: fields, and each value of only, is a list of texts.")
    return Category(key, str(entry["of"]), tuple(entry["fields"]), {name: tuple(said) for name, said in only.items()})


def _keeps(file: str, key: str, entry: Any, categories: Mapping[str, Category]) -> tuple[str, ...]:
    if not isinstance(entry, dict) or not {"keeps"} <= set(entry) <= {"about", "keeps"} or not _texts(entry["keeps"]):
        raise ConfigurationError(f"{file}, bases.{key}: say about and keeps, a list of categories.")
    for one in entry["keeps"]:
        if one not in categories:
            raise ConfigurationError(f"{file}, bases.{key}.keeps: {one!r} is no category{_nearest(one, categories)}.")
    return tuple(entry["keeps"])


def _texts(said: Any) -> bool:
    return isinstance(said, list) and bool(said) and all(isinstance(one, str) for one in said)


def _named(text: str) -> str:
    return repr(text[:40])


def _nearest(text: str, known: Iterable[str]) -> str:
    names = list(known)
    close = get_close_matches(text, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(names)}"
