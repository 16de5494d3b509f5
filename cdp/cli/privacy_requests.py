"""Commands on subject requests that are under way: what is due, and who does what with them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings
from privacy.requests.words import Delay, Refusal, Verification

if TYPE_CHECKING:
    from cdp.settings import Settings
    from privacy.requests.request import Request

Name = typer.Argument(..., metavar="REQUEST", help="The request.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("list")(list_requests)
    app.command("show")(show)
    app.command("identify")(identify)
    app.command("approve")(approve)
    app.command("extend")(extend)
    app.command("confirm")(confirm)
    app.command("complete")(complete)
    app.command("refuse")(refuse)
    app.command("cancel")(cancel)


def operator() -> str:
    """Who types: the account on this machine, so that four eyes are two people here too."""
    try:
        return f"command line:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"command line:{os.getuid()}"


def list_requests(
    still_open: bool = typer.Option(False, "--open", help="Only those on which something is still to be done."),
    as_json: bool = Json,
) -> None:
    """All requests with their status, and by when they are due."""
    from cdp.clock import wall_now
    from pipelines.erasing import requests
    from privacy import policy
    from privacy.requests import request as acts

    settings = load_settings()
    days, now = policy.load(settings).days, wall_now()
    found = [one for one in requests.read_all(settings) if one.is_open or not still_open]
    if as_json:
        emit_json([_shown(one, days, now) for one in found])
        return
    table(
        ("request", "kind", "status", "requested", "due", "standing", "people", "doubtful"),
        [
            (one.request, one.kind, one.status, one.requested_at[:10], acts.last_day(one, days),
             acts.standing(one, now), one.subjects, one.doubtful)
            for one in found
        ],
    )  # fmt: skip


def show(name: str = Name, as_json: bool = Json) -> None:
    """One request, and who of those that were given the person knows of the erasure by now."""
    from cdp.clock import wall_now
    from cdp.store import recipients
    from pipelines.erasing import requests
    from privacy import policy

    settings = load_settings()
    one = requests.read(settings, name)
    told = recipients.standing(settings.database_url, name)
    facts = {**_shown(one, policy.load(settings).days, wall_now()), "recipients": told}
    if as_json:
        emit_json(facts)
        return
    for field in ("request", "kind", "status", "requested_at", "due_on", "subjects", "doubtful", "reason"):
        say(f"{field.replace('_', ' ')}: {facts[field] if facts[field] is not None else '-'}")
    if told:
        columns = ("destination", "told", "pending", "failed")
        table(columns, [tuple(line[column] for column in columns) for line in told])


def identify(
    name: str = Name, how: Verification = typer.Option(..., "--how", help="How."), as_json: bool = Json
) -> None:
    """Note that the person is who they say; what they showed is not kept."""
    from privacy.requests import request as acts

    _change(name, "verified", partial(acts.verify, how=how), as_json, how=str(how))


def approve(
    name: str = Name,
    allow_many: bool = typer.Option(False, "--allow-many", help="Let it erase a large share of all profiles."),
    as_json: bool = Json,
) -> None:
    """Let a request be carried out; with CDP_PRIVACY_FOUR_EYES by somebody else than who made it or verified."""
    from privacy.requests import request as acts

    four = load_settings().privacy_four_eyes
    _change(name, "approved", partial(acts.approve, four_eyes=four, allow_many=allow_many), as_json, many=allow_many)


def extend(name: str = Name, why: Delay = typer.Option(..., "--why", help="Why."), as_json: bool = Json) -> None:
    """Take the longer time that the law allows; the person has to be told before the first ends."""
    from privacy import policy
    from privacy.requests import request as acts

    days = policy.load(load_settings()).days
    _change(name, "extended", partial(acts.extend, why=why, days=days), as_json, why=str(why))


def confirm(name: str = Name, as_json: bool = Json) -> None:
    """Note that the person was told that the request was received."""
    from privacy.requests import request as acts

    _change(name, "confirmed", acts.confirm, as_json)


def complete(name: str = Name, as_json: bool = Json) -> None:
    """Note that a person answered a request that Wayfinder does not carry out itself."""
    from pipelines.erasing.requests import read
    from pipelines.rectifying import require_carried_out
    from privacy.requests import request as acts

    settings = load_settings()
    require_carried_out(settings, read(settings, name))
    _change(name, "completed", acts.answer, as_json)


def refuse(
    name: str = Name, why: Refusal = typer.Option(..., "--why", help="The reason."), as_json: bool = Json
) -> None:
    """Do nothing, for a reason that the person is told."""
    from privacy.requests import request as acts

    _change(name, "refused", partial(acts.refuse, why=why), as_json, why=str(why))


def cancel(name: str = Name, as_json: bool = Json) -> None:
    """The person no longer wants it; refused once carrying out has begun."""
    from privacy.requests import request as acts

    _change(name, "cancelled", acts.cancel, as_json)


def _change(name: str, action: str, act: Callable[..., Request], as_json: bool, **detail: Any) -> None:
    from cdp.clock import wall_now
    from cdp.store import open_store
    from pipelines.erasing.requests import audit
    from privacy import policy
    from privacy.register import Register
    from privacy.requests import request as acts

    settings: Settings = load_settings()
    rule = policy.load(settings)
    made = Register(settings.privacy).change(name, partial(act, actor=operator(), now=wall_now()))
    with open_store(settings.database_url) as store:
        audit(store, operator(), action, made, **detail)
    if as_json:
        emit_json(_shown(made, rule.days, wall_now()))
        return
    due = f", due on {acts.last_day(made, rule.days)}" if made.is_open and made.due_at else ""
    say(f"Request {made.request}: {made.status}{due}.")


def _shown(request: Request, days: Any, now: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from privacy.requests import request as acts

    facts = {name: value for name, value in asdict(request).items() if name not in ("tokens", "reminded", "origin")}
    return {**facts, "due_on": acts.last_day(request, days) or None, "standing": acts.standing(request, now)}
