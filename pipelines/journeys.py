"""Questions about journeys for the command line, asked of what is served; and the people behind their numbers as files.

The questions themselves live in `journeys`; here the store and the served snapshot are opened for them, and the consent
gate of `segments` decides who of the people behind a number may be listed for a purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cdp.domain import audited
from cdp.errors import InputError, NotFoundError
from cdp.settings import Settings
from pipelines.auditing import note_down
from pipelines.consents import gate

if TYPE_CHECKING:
    import duckdb

    from cdp.store.base import Store
    from journeys.asking import Answer
    from journeys.audience import Audience
    from journeys.behind import Condition
    from journeys.map.content import JourneyMap
    from journeys.questions import Question

T = TypeVar("T")


@dataclass(frozen=True)
class Served:
    """What is published, opened for questions."""

    connection: duckdb.DuckDBPyConnection
    store: Store
    as_of: datetime


@dataclass(frozen=True)
class WrittenSegment:
    """A file with the people behind a number: a definition, or a list of those who may be used for the purpose."""

    path: Path
    kind: str
    key: str
    purpose: str
    size: int
    held_back: int


@contextmanager
def opened(settings: Settings) -> Iterator[Served]:
    """The store and the served snapshot. NotFoundError before the first publication."""
    from cdp.store import open_store, snapshots

    with open_store(settings.database_url) as store:
        current = store.current_publication()
        if current is None:
            raise NotFoundError("Nothing is published yet: run `cdp run --from DIR` first.")
        path = settings.serving / current.snapshot_file
        with snapshots.open_snapshot(path, threads=settings.threads, memory_limit=settings.memory_limit) as connection:
            yield Served(connection, store, current.as_of)


def answer(settings: Settings, question: Question[T], audience: Audience, compare: str | None = None) -> Answer[T]:
    """The answer to a question about an audience, beside the one it is compared with."""
    from journeys.asking import ask

    with opened(settings) as served:
        return ask(served.connection, question.count, audience, as_of=served.as_of, store=served.store, compare=compare)


def write_segment(
    settings: Settings, question: Question[Any], audience: Audience, *, node: str, out: Path, purpose: str
) -> WrittenSegment:
    """The people behind a number as a YAML file: a segment definition where one says the same, else a list of them.

    A list only holds people whom the consent gate allows for `purpose`; a definition carries the purpose, and its
    exports are bound to it.
    """
    from journeys.audience import resolve, titled
    from journeys.behind import of_audience
    from segments.listed import allowed_of

    key = segment_key(out.stem)
    with opened(settings) as served:
        chosen = titled(audience, served.store)
        scope = resolve(served.connection, chosen, as_of=served.as_of, store=served.store)
        relation, condition = question.behind(served.connection, scope, node)
        where = of_audience(chosen, condition, served.as_of)
        allows = gate(served.store, served.connection)[0]
        listed = allowed_of(served.connection, relation, purpose=purpose, as_of=served.as_of, gate=allows)
        document = {"key": key, "title": f"{question.name}: {node}"[:120], "purpose": purpose}
        if where is not None:
            write_document(out, {**document, "where": _checked(document, where)})
        else:
            facts = {"as_of": f"{served.as_of:%Y-%m-%dT%H:%M:%SZ}", "size": listed.size, "held_back": listed.held_back}
            write_document(out, {**document, **facts, "profile_ids": listed.profile_ids})
            ids = sorted(listed.profile_ids)
            detail = {"question": question.name, "purpose": purpose, "rows": len(ids)}
            note_down(served.store, "journey.people", node, **detail, **audited.stretch(None, ids))
    kind = "definition" if where is not None else "list"
    return WrittenSegment(out, kind, key, purpose, listed.size, listed.held_back)


def segment_key(name: str) -> str:
    """A key that a segment may have, made of a file's name."""
    plain = "".join(character if character.isascii() and character.isalnum() else "_" for character in name.lower())
    return plain.strip("_")[:64] or "people"


def read_definition(path: Path) -> dict[str, Any]:
    """A question in a YAML or JSON file. InputError when it cannot be read or is no mapping."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InputError(f"{path} is no readable YAML or JSON.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold one question: fields with values.")
    return content


def _checked(document: dict[str, Any], where: Condition) -> Any:
    from segments.document import dump, parse

    return dump(parse({**document, "where": where}))["where"]


def write_document(out: Path, content: dict[str, Any]) -> None:
    """A YAML file, whole or not at all."""
    import yaml

    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(out.name + ".draft")
    draft.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    draft.replace(out)


@dataclass(frozen=True)
class WrittenMap:
    """A map on disk and the finding in its title."""

    title: str
    path: Path


# What a file's name ends in, where that is not the name of the format.
_ENDINGS = {"mmd": "mermaid", "htm": "html"}


def write_map(
    settings: Settings,
    out: Path,
    *,
    file_format: str | None = None,
    audience: Audience | None = None,
    compare: str | None = None,
    lang: str = "en",
) -> WrittenMap:
    """Draw the one-page journey map of an audience, or of two below each other, from the served snapshot."""
    from journeys.audience import Audience as Everybody
    from journeys.map import export
    from journeys.questions import composed, journey_map

    ending = out.suffix.lower().removeprefix(".")
    chosen = export.require(file_format or _ENDINGS.get(ending, ending))
    measured = answer(settings, journey_map(), audience or Everybody(), compare)
    found = composed(measured, lang=lang, edits=settings.home / "interventions.yaml")
    maps = [side.result for side in found.sides]
    export.write(maps[0], chosen, out, people=_command, compare=maps[1] if len(maps) > 1 else None)
    return WrittenMap(maps[0].headline.sentence, out)


def _command(shown: JourneyMap, node: str) -> str:
    """The command that lists the people behind a number."""
    import shlex

    from journeys.audience import spelled

    words = ["cdp", "journey", "map", *spelled(shown.audience), "--node", node, "--segment-out", "people.yaml"]
    return shlex.join(words)
