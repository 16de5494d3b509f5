"""Commands about consent: what a person agreed and objected to, and restricting the use of their data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings

if TYPE_CHECKING:
    from cdp.domain.consent import Origin, State

app = typer.Typer(help="What people agreed and objected to, per purpose.", no_args_is_help=True)

Profile = typer.Argument(..., help="A profile id.")
Purpose = typer.Option("marketing", "--purpose", help="marketing, personalisation, analytics, service or sharing.")
Channel = typer.Option("command line", "--channel", help="Where it was said: web form, phone, letter, …")
At = typer.Option(None, "--at", help="When it was said: a date or a time with zone; now, without it.")
TextVersion = typer.Option(None, "--text-version", help="Which wording the person was shown.")
Proof = typer.Option(None, "--proof", help="What shows it, for example the number of a form.")
Author = typer.Option(None, "--author", help="Who writes it down; default is the command line.")


def register_restriction(privacy: typer.Typer) -> None:
    """Add the commands about restriction to those of the privacy officer."""
    privacy.command("restrict")(restrict)
    privacy.command("lift")(lift)


@app.command("show")
def show(
    profile: str = Profile,
    as_of: str | None = typer.Option(None, "--as-of", help="What was effective then: a date or a time with zone."),
    as_json: bool = Json,
) -> None:
    """What is effective for a person, for every purpose and why, and everything that was said."""
    from pipelines import consents

    _tell(consents.show(load_settings(), profile, as_of), as_json)


@app.command("give")
def give(
    profile: str = Profile,
    *,
    purpose: str = Purpose,
    channel: str = Channel,
    at: str | None = At,
    text_version: str | None = TextVersion,
    proof: str | None = Proof,
    author: str | None = Author,
    imported: bool = typer.Option(False, "--import", help="Another system says so: never lifts an objection."),
    as_json: bool = Json,
) -> None:
    """Write down that a person agrees. It counts with the next run."""
    _say(profile, purpose, "given", as_json, "import" if imported else "person",
         channel=channel, at=at, text_version=text_version, proof=proof, author=author)  # fmt: skip


@app.command("withdraw")
def withdraw(
    profile: str = Profile,
    *,
    purpose: str = Purpose,
    channel: str = Channel,
    at: str | None = At,
    text_version: str | None = TextVersion,
    proof: str | None = Proof,
    author: str | None = Author,
    objects: bool = typer.Option(False, "--object", help="The person objects (Art. 21): only they lift that."),
    imported: bool = typer.Option(False, "--import", help="Another system says so."),
    as_json: bool = Json,
) -> None:
    """Write down that a person does not agree any more, or objects. It counts at once."""
    _say(profile, purpose, "objected" if objects else "withdrawn", as_json, "import" if imported else "person",
         channel=channel, at=at, text_version=text_version, proof=proof, author=author)  # fmt: skip


def restrict(
    profile: str = Profile,
    *,
    request: str | None = typer.Option(None, "--request", help="The approved request that asks for it."),
    channel: str = Channel,
    proof: str | None = Proof,
    author: str | None = Author,
    as_json: bool = Json,
) -> None:
    """Restrict the use of a person's data (Art. 18): stored, and used for nothing. It counts at once."""
    from cdp.cli.privacy_requests import operator
    from pipelines import consents

    _tell(
        consents.restrict(
            load_settings(), profile, request, actor=operator(), channel=channel, proof=proof, author=author
        ),
        as_json,
    )


def lift(
    profile: str = Profile,
    *,
    channel: str = Channel,
    proof: str | None = Proof,
    author: str | None = Author,
    as_json: bool = Json,
) -> None:
    """End a restriction. What the person agreed and objected to counts again with the next run."""
    _say(profile, "*", "lifted", as_json, channel=channel, proof=proof, author=author)


def _say(profile: str, purpose: str, state: State, as_json: bool, origin: Origin = "person", **said: Any) -> None:
    from pipelines import consents

    _tell(consents.say(load_settings(), profile, purpose, state, origin=origin, **said), as_json)


def _tell(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(facts)
        return
    if facts["restricted"]:
        say(f"The use of the data of {facts['profile_id']} is restricted.\n")
    table(
        ("purpose", "state", "since", "why"),
        [(one["purpose"], one["state"], (one["said_at"] or "")[:16], one["reason"]) for one in facts["purposes"]],
    )
    if facts["entries"]:
        say()
        table(
            ("entry", "said at", "purpose", "what", "where", "wording", "written by"),
            [
                (one["seq"], f"{one['at']:%Y-%m-%d %H:%M}", one["purpose"], one["state"], one["channel"],
                 one["text_version"] or "", one["recorded_by"])
                for one in facts["entries"]
            ],
        )  # fmt: skip
