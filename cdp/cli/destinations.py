"""Commands about destinations: which tools hear of a segment's people, and what they were told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings
from cdp.errors import CheckFailed, InputError

if TYPE_CHECKING:
    from activation.manage import Wanted
    from cdp.settings import Settings
    from cdp.store.outbox import Outbox

app = typer.Typer(help="Tools that are told who enters and leaves a segment.", no_args_is_help=True)

Key = typer.Argument(..., help="The destination's key.")
Title = typer.Option(None, "--title", help="What people call it.")
Segments = typer.Option(None, "--segment", help="A segment that it follows; repeat for several.")
Purpose = typer.Option(None, "--for", help="The purpose, the same as its segments'; default: that of the first.")
Url = typer.Option(None, "--url", help="webhook: where messages are sent.")
Body = typer.Option(None, "--body", help="webhook: wayfinder, or audience for Segment's Audience Entered and Exited.")
Folder = typer.Option(None, "--folder", help="files: an absolute path, or an address such as s3://bucket/folder.")
Form = typer.Option(None, "--format", help="files: ndjson or csv.")
Table = typer.Option(None, "--table", help="table: the name, or schema.name.")
Fields = typer.Option(None, "--field", help="NAME=PATH, for example email=traits.email; repeat for several.")
PerMinute = typer.Option(None, "--per-minute", help="At most so many messages a minute.")
SecretFile = typer.Option(
    None, "--secret-file", help="File with the signing secret (webhook) or the database's address (table)."
)
IfVersion = typer.Option(None, "--if-version", min=1, help="Only when the destination is at this version.")


@contextmanager
def opened() -> Iterator[tuple[Settings, Outbox]]:
    """The settings, and the outbox of a store that is up to date."""
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
    """All destinations with the state of their queues."""
    from activation.manage import shown
    from cdp.store import destinations

    with opened() as (_, outbox):
        counts = destinations.counts(outbox)
        found = [(one, counts.get(one.key, {})) for one in destinations.read_all(outbox)]
    if as_json:
        emit_json([shown(one, count) for one, count in found])
        return
    table(
        ("key", "kind", "segments", "on", "waiting", "delivered", "dead"),
        [
            (one.key, one.kind, ", ".join(one.segments), one.enabled,
             count.get("pending", 0), count.get("delivered", 0), count.get("dead", 0))
            for one, count in found
        ],
    )  # fmt: skip


@app.command("show")
def show(key: str = Key, as_json: bool = Json) -> None:
    """One destination; its secret is never shown."""
    from activation.manage import shown
    from cdp.store import destinations

    with opened() as (_, outbox):
        facts = shown(destinations.read(outbox, key), destinations.counts(outbox).get(key, {}))
    if as_json:
        emit_json(facts)
        return
    say(f"{facts['title']} ({key}, version {facts['version']}, {facts['kind']}, {'on' if facts['enabled'] else 'off'})")
    say(f"follows {', '.join(facts['segments'])} for {facts['purpose']}")
    for name, value in facts["config"].items():
        if value not in (None, {}, facts["kind"]):
            shown_value = ", ".join(f"{one}={path}" for one, path in value.items()) if name == "fields" else value
            say(f"{name}: {shown_value}")
    say(", ".join(f"{count:,} {state}" for state, count in sorted(facts["messages"].items())) or "no messages yet")


@app.command("create")
def create(
    key: str = Key,
    *,
    kind: str = typer.Option("webhook", "--kind", help="webhook, files or table."),
    title: str | None = Title,
    segments: list[str] | None = Segments,
    purpose: str | None = Purpose,
    url: str | None = Url,
    body: str | None = Body,
    folder: str | None = Folder,
    form: str | None = Form,
    table_name: str | None = Table,
    fields: list[str] | None = Fields,
    per_minute: int | None = PerMinute,
    secret_file: Path | None = SecretFile,
    from_now: bool = typer.Option(False, "--from-now", help="Tell of changes only, not of who is in already."),
    as_json: bool = Json,
) -> None:
    """Create a destination. A webhook's signing secret is made and shown once, unless a file gives one."""
    from activation.manage import Wanted

    given = _given(
        url=url, body=body, folder=folder, format=form, table=table_name, per_minute=per_minute, fields=_fields(fields)
    )
    config = {"kind": kind, **given}
    wanted = Wanted(key, title or key, config, segments or [], purpose, secret=_secret(secret_file))
    _save(wanted, expected=None, as_json=as_json, backfill=not from_now)


@app.command("update")
def update(
    key: str = Key,
    *,
    title: str | None = Title,
    segments: list[str] | None = Segments,
    purpose: str | None = Purpose,
    url: str | None = Url,
    body: str | None = Body,
    folder: str | None = Folder,
    form: str | None = Form,
    table_name: str | None = Table,
    fields: list[str] | None = Fields,
    per_minute: int | None = PerMinute,
    secret_file: Path | None = SecretFile,
    if_version: int | None = IfVersion,
    as_json: bool = Json,
) -> None:
    """Change what is named; the rest stays. People of segments no longer followed are told as exits."""
    from activation.manage import Wanted
    from cdp.store import destinations

    with opened() as (_, outbox):
        now = destinations.read(outbox, key)
    given = _given(
        url=url, body=body, folder=folder, format=form, table=table_name, per_minute=per_minute, fields=_fields(fields)
    )
    config = {**now.config, **given}
    wanted = Wanted(
        key, title or now.title, config, segments or now.segments, purpose or now.purpose, enabled=now.enabled,
        secret=_secret(secret_file),
    )  # fmt: skip
    _save(wanted, expected=if_version or now.version, as_json=as_json)


@app.command("delete")
def delete(key: str = Key, if_version: int | None = IfVersion, as_json: bool = Json) -> None:
    """Delete a destination with its queue and log; what it was told is not taken back."""
    from cdp.store import destinations

    with opened() as (_, outbox):
        destinations.delete(outbox, key, expected=if_version)
    _done({"key": key, "deleted": True}, f"Destination {key} is deleted.", as_json)


@app.command("enable")
def enable(key: str = Key, as_json: bool = Json) -> None:
    """Switch a destination on; what waited is told."""
    _switch(key, as_json, enabled=True)


@app.command("disable")
def disable(key: str = Key, as_json: bool = Json) -> None:
    """Switch a destination off; its queue keeps growing and nothing is lost."""
    _switch(key, as_json, enabled=False)


@app.command("resync")
def resync(
    key: str = Key,
    everybody: bool = typer.Option(False, "--everybody", help="Tell everybody again, not only the differences."),
    as_json: bool = Json,
) -> None:
    """Queue what makes the receiver hold exactly whom it may."""
    from cdp.clock import wall_now
    from cdp.store import destinations

    with opened() as (_, outbox):
        entered, exited = destinations.resync(outbox, key, wall_now(), everybody=everybody)
    facts = {"key": key, "entered": entered, "exited": exited}
    _done(facts, f"{entered:,} entries and {exited:,} exits are queued; `cdp deliver` sends them.", as_json)


@app.command("replay")
def replay(
    key: str = Key,
    messages: list[str] | None = typer.Option(None, "--message", help="Only this message; repeat for several."),
    as_json: bool = Json,
) -> None:
    """Let dead messages be tried again, under their own ids."""
    from cdp.store import destinations

    with opened() as (_, outbox):
        count = destinations.replay(outbox, key, messages)
    _done({"key": key, "replayed": count}, f"{count:,} messages wait again; `cdp deliver` sends them.", as_json)


@app.command("log")
def log(
    key: str | None = typer.Argument(None, help="The destination's key; all when left out."),
    *,
    profile: str | None = typer.Option(None, "--profile", help="Only messages about this profile."),
    state: str | None = typer.Option(None, "--state", help="pending, delivered, withheld, superseded or dead."),
    after: int = typer.Option(0, "--after", min=0, help="Only messages behind this number."),
    limit: int = typer.Option(100, "--limit", min=1, max=100_000),
    as_json: bool = Json,
) -> None:
    """Who was told what, and what became of it; never with values."""
    from cdp.store import destinations
    from cdp.store.delivery_tables import STATES

    if state is not None and state not in STATES:
        raise InputError(f"There is no state {state[:40]!r}; there are: {', '.join(STATES)}.")
    with opened() as (_, outbox):
        if key is not None:
            destinations.read(outbox, key)
        found = destinations.log(
            outbox, destination=key, profile_id=profile, state=state, after=after, limit=limit
        )  # fmt: skip
    if as_json:
        emit_json([vars(one) for one in found])
        return
    table(
        ("number", "destination", "profile", "what", "segment", "state", "tries", "why"),
        [
            (one.id, one.destination_key, one.profile_id, one.kind, one.trigger_key or one.segment_key, one.state,
             one.attempts, one.error or "")
            for one in found
        ],
    )  # fmt: skip


@app.command("test")
def test(key: str = Key, as_json: bool = Json) -> None:
    """Send a message about nobody, signed as all are. Exit code 1 when the receiver does not take it."""
    from activation.probe import probe
    from cdp.clock import wall_now
    from cdp.outbound import Guard
    from cdp.store import destinations

    with opened() as (settings, outbox):
        outcome = probe(destinations.read(outbox, key), guard=Guard.listed(settings.outbound_allow), now=wall_now())
    taken = outcome.result == "taken"
    if as_json:
        emit_json({"key": key, "taken": taken, "code": outcome.code})
    elif taken:
        say(f"Destination {key} took the message.")
    if not taken:
        raise CheckFailed(f"Destination {key} did not take the message: {outcome.code}.")


def _save(wanted: Wanted, *, expected: int | None, as_json: bool, backfill: bool = True) -> None:
    from activation import manage
    from cdp.clock import wall_now

    with opened() as (_, outbox):
        saved, made = manage.save(
            outbox, wanted, by="command line", at=wall_now(), expected=expected, backfill=backfill
        )  # fmt: skip
    if as_json:
        emit_json({**manage.shown(saved), **({"secret": made} if made else {})})
        return
    say(f"Destination {saved.key} follows {', '.join(saved.segments)}; `cdp deliver` tells it what has changed.")
    if made:
        say(f"Its signing secret, shown this once: {made}")


def _switch(key: str, as_json: bool, *, enabled: bool) -> None:
    from cdp.clock import wall_now
    from cdp.store import destinations

    with opened() as (_, outbox):
        destinations.switch(outbox, key, enabled=enabled, by="command line", at=wall_now())
    _done({"key": key, "enabled": enabled}, f"Destination {key} is {'on' if enabled else 'off'}.", as_json)


def _done(facts: dict[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        emit_json(facts)
    else:
        say(sentence)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _fields(pairs: list[str] | None) -> dict[str, str] | None:
    if pairs is None:
        return None
    found = {}
    for pair in pairs:
        name, separator, path = pair.partition("=")
        if not separator:
            raise InputError(f"--field is NAME=PATH, for example email=traits.email; {pair[:60]!r} has no =.")
        found[name.strip()] = path.strip()
    return found


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"--secret-file: {path} cannot be read.") from None
