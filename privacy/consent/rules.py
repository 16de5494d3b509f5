"""The rules of `purposes.yaml`: per purpose which statement wins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from cdp.domain.consent import PURPOSES
from cdp.errors import ConfigurationError

HERE = Path(__file__).parent
Conflict = Literal["most_recent", "most_restrictive"]


@dataclass(frozen=True)
class Rule:
    """For one purpose; `lifted_by_person` are the refusals that only the person takes back, `sources` count or not."""

    purpose: str
    conflict: Conflict
    lifted_by_person: tuple[str, ...]
    sources: bool


@cache
def shipped() -> tuple[Rule, ...]:
    """The rules that ship with Wayfinder."""
    import yaml

    return parse(yaml.safe_load((HERE / "purposes.yaml").read_text(encoding="utf-8")))


def parse(content: Any) -> tuple[Rule, ...]:
    """Rules from a document: every purpose once, and an objection is always the person's alone to take back.

    ConfigurationError names the purpose that is wrong.
    """
    said = content.get("purposes") if isinstance(content, dict) else None
    if not isinstance(said, dict) or set(said) != set(PURPOSES):
        raise ConfigurationError(f"purposes.yaml names exactly the purposes {', '.join(PURPOSES)}.")
    return tuple(_rule(purpose, said[purpose]) for purpose in PURPOSES)


def _rule(purpose: str, entry: Any) -> Rule:
    if not isinstance(entry, dict) or set(entry) != {"conflict", "only_the_person_lifts", "sources"}:
        raise ConfigurationError(f"purposes.yaml, {purpose}: say conflict, only_the_person_lifts and sources.")
    if entry["conflict"] not in get_args(Conflict):
        raise ConfigurationError(f"purposes.yaml, {purpose}: conflict is one of {', '.join(get_args(Conflict))}.")
    lifted = entry["only_the_person_lifts"]
    if not isinstance(lifted, list) or not {"objected"} <= set(lifted) <= {"objected", "withdrawn"}:
        raise ConfigurationError(
            f"purposes.yaml, {purpose}: only_the_person_lifts holds objected, and maybe withdrawn."
        )
    if not isinstance(entry["sources"], bool):
        raise ConfigurationError(f"purposes.yaml, {purpose}: sources is true or false.")
    return Rule(purpose, cast(Conflict, entry["conflict"]), tuple(sorted(lifted)), entry["sources"])
