"""The command `cdp deliver`: a pass over the queues of destinations, a worker that goes on, or a rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.destinations import opened
from cdp.cli.output import emit_json, note, say, table
from cdp.errors import CheckFailed, InputError

if TYPE_CHECKING:
    import threading

    from activation.worker import Options, Pass
    from cdp.settings import Settings

# Between two looks at which controllers have to be told, with --follow; the first wait after a failure is as long.
CALLBACK_SECONDS = 60.0


def register(root: typer.Typer) -> None:
    """The command `cdp deliver`."""
    root.command("deliver")(deliver_command)


def deliver_command(
    only: str | None = typer.Option(None, "--only", help="Only this destination."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Send nothing; say what would be sent, values masked."),
    follow: bool = typer.Option(False, "--follow", help="Go on until interrupted."),
    every: float = typer.Option(5.0, "--every", min=0.2, max=3600, help="Seconds between passes with --follow."),
    as_json: bool = Json,
) -> None:
    """Tell destinations what has changed in their segments, and controllers how their requests go on.

    Exit code 1 when a queue could not be worked.
    """
    from activation.manage import rehearse
    from activation.worker import Options, deliver
    from cdp.clock import wall_now
    from cdp.outbound import Guard
    from cdp.store import destinations

    with opened() as (settings, outbox):
        if dry_run:
            keys = [only] if only else [one.key for one in destinations.read_all(outbox)]
            rehearsed = [rehearse(outbox, key, wall_now()) for key in keys]
    if dry_run:
        _tell_rehearsal(rehearsed, as_json)
        return
    options = Options(guard=Guard.listed(settings.outbound_allow))
    if follow:
        if as_json:
            raise InputError("--json tells of one pass: leave it out, or --follow.")
        _follow(settings, options, only, every)
        return
    done = deliver(settings.database_url, options, only=only)
    if only is None:
        from pipelines.erasing.callbacks import call_back

        call_back(settings, note)
    _tell_passes(done, as_json)
    if problems := [one for one in done if one.problem]:
        raise CheckFailed(f"Destination {problems[0].destination}: {problems[0].problem}")


def _follow(settings: Settings, options: Options, only: str | None, every: float) -> None:
    """Until somebody interrupts; what is under way is finished."""
    import signal
    import threading

    from activation.worker import follow

    def tell(one: Pass) -> None:
        if one.problem or one.delivered or one.retried or one.dead:
            said = f"{one.destination}: {one.delivered} delivered, {one.retried} later, {one.dead} dead"
            note(f"{said}; {why}" if (why := _why(one)) else said)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: options.stop.set())
    controllers = threading.Thread(target=_call_back, args=(settings, options.stop))
    if only is None:
        controllers.start()
    try:
        follow(settings.database_url, options, tell, only=only, every=every)
    finally:
        options.stop.set()
        if only is None:
            controllers.join()


def _call_back(settings: Settings, stop: threading.Event) -> None:
    """Tell controllers beside the queues, none of which waits for them; what hinders it is said once."""
    from pipelines.erasing.callbacks import CALL_SECONDS, call_back

    said: set[str] = set()

    def tell(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            note(sentence)

    while not stop.is_set():
        # A short pass, so that an interruption is not waited for; the next one goes on.
        call_back(settings, tell, seconds=CALL_SECONDS)
        stop.wait(CALLBACK_SECONDS)


def _tell_passes(done: list[Pass], as_json: bool) -> None:
    if as_json:
        emit_json([vars(one) for one in done])
        return
    if not done:
        say("No destination is switched on; `cdp destination create` makes one.")
        return
    table(
        ("destination", "delivered", "withheld", "superseded", "later", "dead", "why"),
        [
            (one.destination, one.delivered, one.withheld, one.superseded, one.retried, one.dead, _why(one))
            for one in done
        ],
    )


def _why(one: Pass) -> str:
    if one.busy:
        return "another worker is at it"
    return one.problem or ", ".join(f"{code} × {count}" for code, count in sorted(one.codes.items()))


def _tell_rehearsal(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    for one in found:
        would = ", ".join(f"{count:,} {told}" for told, count in sorted(one["would"].items()))
        say(f"{one['destination']}: {would or 'nothing waits'}")
        for name, count in one["empty_fields"].items():
            if count:
                say(f"  {name} is empty for {count:,} people")
        for row in one["sample"]:
            say("  " + ", ".join(f"{name}={value}" for name, value in row.items() if value not in (None, "")))
