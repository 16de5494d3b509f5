"""Commands about triggers: what is done for whoever enters a segment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings
from cdp.errors import InputError

if TYPE_CHECKING:
    from cdp.settings import Settings
    from cdp.store.outbox import Outbox
    from cdp.store.triggers import Trigger

app = typer.Typer(help="What is done for whoever enters a segment.", no_args_is_help=True)

Key = typer.Argument(..., help="The trigger's key.")
File = typer.Argument(..., help="A YAML file; docs/how-to/activation.md shows one.", exists=True, dir_okay=False)
IfVersion = typer.Option(None, "--if-version", min=1, help="Only when the trigger is at this version.")


@contextmanager
def _outbox() -> Iterator[tuple[Settings, Outbox]]:
    from cdp.store import open_store
    from cdp.store.outbox import Outbox

    settings = load_settings()
    open_store(settings.database_url).close()
    outbox = Outbox(settings.database_url)
    try:
        yield settings, outbox
    finally:
        outbox.close()


@app.command("list")
def list_command(as_json: bool = Json) -> None:
    """All triggers with what became of their firings."""
    from cdp.store import triggers

    with _outbox() as (_, outbox):
        counts, found = triggers.counts(outbox), triggers.read_all(outbox)
    if as_json:
        emit_json([{**_facts(one), "firings": counts.get(one.key, {})} for one in found])
        return
    table(
        ("key", "segment", "destination", "on", "waiting", "fired", "held out"),
        [
            (one.key, one.segment_key, one.destination_key or "", one.enabled,
             *(counts.get(one.key, {}).get(state, 0) for state in ("waiting", "fired", "held_out")))
            for one in found
        ],
    )  # fmt: skip


@app.command("show")
def show(key: str = Key, as_json: bool = Json) -> None:
    """One trigger as it was written."""
    import yaml

    from cdp.store import triggers

    with _outbox() as (_, outbox):
        found, counts = triggers.read(outbox, key), triggers.counts(outbox).get(key, {})
    if as_json:
        emit_json({**_facts(found), "firings": counts})
        return
    say(yaml.safe_dump(_facts(found)["definition"], sort_keys=False, allow_unicode=True).rstrip())
    say(", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())) or "nothing has fired yet")


@app.command("create")
def create(file: Path = File, as_json: bool = Json) -> None:
    """Create a trigger from a file; it fires for who enters the segment from now on."""
    _save(file, as_json, change=False)


@app.command("update")
def update(file: Path = File, if_version: int | None = IfVersion, as_json: bool = Json) -> None:
    """Replace a trigger's definition; firings that wait are decided by the new one, and off stays off."""
    _save(file, as_json, change=True, expected=if_version)


@app.command("enable")
def enable(key: str = Key, as_json: bool = Json) -> None:
    """Switch a trigger on."""
    _switch(key, as_json, enabled=True)


@app.command("disable")
def disable(key: str = Key, as_json: bool = Json) -> None:
    """Switch a trigger off; who enters meanwhile is passed over."""
    _switch(key, as_json, enabled=False)


@app.command("delete")
def delete(key: str = Key, as_json: bool = Json) -> None:
    """Delete a trigger with its firings; messages on their way stay."""
    from cdp.store import triggers

    with _outbox() as (_, outbox):
        triggers.delete(outbox, key)
    if as_json:
        emit_json({"key": key, "deleted": True})
    else:
        say(f"Trigger {key} is deleted.")


@app.command("run")
def run(as_json: bool = Json) -> None:
    """Decide the firings that are due; every `cdp run` does it too."""
    from activation import triggers

    with _outbox() as (settings, outbox):
        done = triggers.run(outbox, settings.clock.now())
    if as_json:
        emit_json([vars(one) for one in done])
        return
    for one in done:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(one.outcomes.items()))
        say(f"{one.trigger}: {outcomes or 'nothing is due'}")
    if not done:
        say("No trigger is switched on; `cdp triggers create` makes one.")


@app.command("log")
def log(
    key: str | None = typer.Argument(None, help="The trigger's key; all when left out."),
    *,
    profile: str | None = typer.Option(None, "--profile", help="Only firings about this profile."),
    after: int = typer.Option(0, "--after", min=0, help="Only firings behind this number."),
    limit: int = typer.Option(100, "--limit", min=1, max=100_000),
    as_json: bool = Json,
) -> None:
    """Firings and what became of them."""
    from cdp.store import triggers

    with _outbox() as (_, outbox):
        if key is not None:
            triggers.read(outbox, key)
        found = triggers.log(outbox, key=key, profile_id=profile, after=after, limit=limit)
    if as_json:
        emit_json([vars(one) for one in found])
        return
    rows = [(one.id, one.trigger_key, one.profile_id, f"{one.happened_at:%Y-%m-%d %H:%M}", one.state) for one in found]
    table(("number", "trigger", "profile", "entered", "became"), rows)


def _save(file: Path, as_json: bool, *, change: bool, expected: int | None = None) -> None:
    import yaml

    from activation import triggers
    from cdp.clock import wall_now
    from cdp.store import triggers as kept

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise InputError(f"{file} is no YAML file that can be read.") from None
    wanted = triggers.parse(content)
    with _outbox() as (_, outbox):
        if change:
            expected = expected or kept.read(outbox, wanted.key).version
        saved = triggers.save(outbox, wanted, by="command line", at=wall_now(), expected=expected)
    if as_json:
        emit_json(_facts(saved))
        return
    told = f", told to {saved.destination_key}" if saved.destination_key else ""
    say(f"Trigger {saved.key} fires for who enters {saved.segment_key}{told}; `cdp run` decides what is due.")


def _switch(key: str, as_json: bool, *, enabled: bool) -> None:
    from cdp.clock import wall_now
    from cdp.store import triggers

    with _outbox() as (_, outbox):
        triggers.switch(outbox, key, enabled=enabled, by="command line", at=wall_now())
    if as_json:
        emit_json({"key": key, "enabled": enabled})
    else:
        say(f"Trigger {key} is {'on' if enabled else 'off'}.")


def _facts(one: Trigger) -> dict[str, Any]:
    import json

    facts = {name: value for name, value in vars(one).items() if name != "definition"}
    return {**facts, "saved_at": one.saved_at.isoformat(), "definition": json.loads(one.definition)}
