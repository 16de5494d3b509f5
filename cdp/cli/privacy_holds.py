"""Commands about legal holds: what the law wants kept of a person who is erased, and until when."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.named_people import People, read_people
from cdp.cli.output import emit_json, say, table
from cdp.cli.privacy_requests import operator
from cdp.cli.state import load_settings
from cdp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy.holds.hold import Hold

app = typer.Typer(help="Keep what the law wants kept of a person, locked, when they are erased.")

Name = typer.Argument(..., metavar="HOLD", help="The hold.")
Until = typer.Option(None, "--until", help="The last day, as 2030-12-31.")


@app.callback(invoke_without_command=True)
def hold(  # noqa: PLR0917  # options of a command are named by its caller
    context: typer.Context,
    identifiers: list[str] = typer.Option([], "--identifier", help="TYPE:VALUE of one person; repeat for more."),
    people: Path | None = People,
    basis: str | None = typer.Option(None, "--basis", help="Why: tax, claims, or one of your own."),
    categories: list[str] = typer.Option([], "--categories", help="What of it, with commas between; default is all."),
    until: str | None = Until,
    as_json: bool = Json,
) -> None:
    """Place a hold on a person: an erasure keeps the declared minimum, sealed, until the last day.

    With --people every person gets a hold of their own, all of them or nobody.
    """
    if context.invoked_subcommand is not None:
        return
    from pipelines.erasing import holding

    if not (identifiers or people) or basis is None:
        raise InputError(
            "Name the person with --identifier (or many with --people) and the reason with --basis, or"
            " `cdp privacy hold list`."
        )
    subjects = read_people(people, identifiers) if people is not None else [identifiers]
    wanted = [one.strip() for text in categories for one in text.split(",") if one.strip()]
    made = holding.place(
        load_settings(), subjects, basis=basis, categories=wanted, until=_required(until), actor=operator()
    )
    if people is None:
        _told(made[0], as_json)
    elif as_json:
        emit_json([_shown(one) for one in made])
    else:
        table(("person", "hold"), [(number, one.hold) for number, one in enumerate(made, start=1)])
        say(f"{len(made)} hold(s): {basis}, {', '.join(made[0].categories)}, until {made[0].until}; active.")


@app.command("list")
def list_holds(
    still_open: bool = typer.Option(False, "--open", help="Only those that have not ended."), as_json: bool = Json
) -> None:
    """All holds: for what, until when, and how many records each keeps."""
    from privacy.holds.register import Holds

    found = [one for one in Holds(load_settings().privacy).all() if one.status != "ended" or not still_open]
    if as_json:
        emit_json([_shown(one) for one in found])
        return
    table(
        ("hold", "basis", "keeps", "until", "status", "records"),
        [(one.hold, one.basis, ", ".join(one.categories), one.until, one.status, one.records) for one in found],
    )


@app.command("show")
def show(name: str = Name, as_json: bool = Json) -> None:
    """What a hold keeps, in the clear, for the authority that asks; audited."""
    from pipelines.erasing import holding

    found = holding.show(load_settings(), name, actor=operator())
    if as_json:
        emit_json(found)
        return
    say(f"Hold {found['hold']}: {found['basis']}, until {found['until']}, for {' '.join(found['identifiers'])}.")
    for request, kept in found["kept"].items():
        for category, one in kept.items():
            say(f"{category} of {one['of']}, kept from erasure {request}: {len(one['records'])}")
            for record in one["records"]:
                say("  " + ", ".join(f"{field}: {value}" for field, value in record.items()))


@app.command("extend")
def extend(name: str = Name, until: str | None = Until, as_json: bool = Json) -> None:
    """Let a hold last longer."""
    from cdp.clock import wall_now
    from privacy import policy
    from privacy.holds import hold as acts

    today = policy.load(load_settings()).days.day_of(wall_now())
    last = acts.last_day(_required(until), today)
    _change(name, "extended", partial(acts.extend, until=last), as_json, until=last.isoformat())


@app.command("release")
def release(name: str = Name, as_json: bool = Json) -> None:
    """A hold is needed no more: what it keeps is erased by the next run, with a receipt."""
    from privacy.holds import hold as acts

    _change(name, "released", acts.release, as_json)


def _change(name: str, action: str, act: Callable[..., Hold], as_json: bool, **detail: Any) -> None:
    from cdp.clock import wall_now
    from cdp.store import open_store
    from pipelines.erasing import holding
    from privacy.holds.register import Holds

    settings = load_settings()
    made = Holds(settings.privacy).change(name, partial(act, actor=operator(), now=wall_now()))
    with open_store(settings.database_url) as store:
        holding.audit(store, operator(), action, name, **detail)
    _told(made, as_json)


def _required(until: str | None) -> str:
    if until is None:
        raise InputError("A hold without an end is none: name its last day with --until, as 2030-12-31.")
    return until


def _told(made: Hold, as_json: bool) -> None:
    if as_json:
        emit_json(_shown(made))
        return
    say(f"Hold {made.hold}: {made.basis}, {', '.join(made.categories)}, until {made.until}; {made.status}.")


def _shown(one: Hold) -> dict[str, Any]:
    from dataclasses import asdict

    return {**{name: value for name, value in asdict(one).items() if name != "tokens"}, "records": one.records}
