"""Commands of the privacy officer."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from cdp.cli import privacy_corrections, privacy_holds, privacy_packages, privacy_requests, privacy_retention
from cdp.cli.data import Json
from cdp.cli.named_people import People, read_people
from cdp.cli.output import emit_json, note, say, table
from cdp.cli.privacy_requests import operator
from cdp.cli.state import load_settings
from cdp.errors import CheckFailed, InputError
from privacy.requests.words import CARRIED_OUT, Kind

app = typer.Typer(help="Personal data: where it is, and what becomes of it.", no_args_is_help=True)
privacy_requests.register(app)
privacy_corrections.register(app)
privacy_packages.register(app)
privacy_retention.register(app)
app.add_typer(privacy_holds.app, name="hold")


class InventoryFormat(StrEnum):
    """How the inventory is printed."""

    MD = "md"
    CSV = "csv"
    JSON = "json"


@app.command("inventory")
def inventory(
    file_format: InventoryFormat = typer.Option(InventoryFormat.MD, "--format", help="md, csv or json."),
    check: bool = typer.Option(False, "--check", help="Say what this state home holds that nobody declared."),
    as_json: bool = Json,
) -> None:
    """Records of processing (Art. 30): every column and file class with category, purpose, legal basis, retention."""
    from pipelines.inventory import find_gaps, read_inventory
    from privacy.inventory import processing

    settings = load_settings()
    if check:
        found = find_gaps(settings)
        if as_json or file_format is InventoryFormat.JSON:
            emit_json({"gaps": found})
        elif not found:
            say("Everything in this state home is declared.")
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            raise CheckFailed(f"{len(found)} gap(s) in the inventory: {' '.join(found[:3])}{more}")
        return
    declared = read_inventory(settings)
    if as_json or file_format is InventoryFormat.JSON:
        emit_json(processing.to_json(declared))
    elif file_format is InventoryFormat.CSV:
        say(processing.to_csv(declared).rstrip())
    else:
        say(processing.to_markdown(declared).rstrip())


class Rules(StrEnum):
    """Laws with deadlines."""

    GDPR = "gdpr"
    CCPA = "ccpa"
    PIPL = "pipl"


@app.command("request")
def request(  # noqa: PLR0917  # options of a command are named by its caller
    request_type: Kind = typer.Option(..., "--type", help="What is asked for."),
    identifiers: list[str] = typer.Option([], "--identifier", help="TYPE:VALUE of one person; repeat for more."),
    people: Path | None = People,
    yes: bool = typer.Option(False, "--yes", help="Approve and carry out now, and wait until it is verified."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the scope and change nothing."),
    allow_many: bool = typer.Option(False, "--allow-many", help="Let a request erase a large share of all profiles."),
    rules: Rules | None = typer.Option(None, "--rules", help="The law whose deadline it has; default: the setting."),
    as_json: bool = Json,
) -> None:
    """Keep a request; of an erasure the certain records go everywhere, doubtful ones are listed and left.

    With --yes an erasure is verified, and an access or portability package is made.
    """
    from pipelines.erasing import requests

    subjects = read_people(people, identifiers) if people is not None else [identifiers]
    settings = load_settings()
    if yes and request_type not in CARRIED_OUT:
        raise InputError(f"--yes carries out {_listed(CARRIED_OUT)}; a person answers a request for {request_type}.")
    if yes and request_type is Kind.ERASURE and settings.privacy_four_eyes:
        raise InputError(
            "--yes cannot be used while CDP_PRIVACY_FOUR_EYES is set: leave it out, and let somebody else run "
            "`cdp privacy approve REQUEST`, then `cdp privacy run`."
        )
    if dry_run:
        found = requests.scope(settings, subjects)
        if as_json:
            emit_json(found)
            return
        table(("table", "rows"), list(found["rows"].items()))
        _doubts(found["doubtful"])
        return
    made, closures = requests.submit(
        settings, subjects, kind=request_type, rules=rules, actor=operator(), allow_many=allow_many, progress=note
    )
    doubtful = [vars(doubt) for closure in closures for doubt in closure.doubtful]
    done = requests.execute(settings, made.request, progress=note) if yes else None
    signed = done if done and "receipt" in done else None
    package = done["package"] if done and not signed else None
    status = requests.read(settings, made.request).status
    answer = requests.ANSWER if signed else privacy_packages.answer(package) if package else None
    if as_json:
        emit_json({"request": made.request, "status": status, "answer": answer, "doubtful": doubtful,
                   "receipt": signed, "package": package})  # fmt: skip
        return
    say(f"Request {made.request}: {status}.")
    _doubts(doubtful)
    if signed:
        _told(signed)
    if answer:
        say(answer)
    elif request_type not in CARRIED_OUT:
        rectified = "`cdp privacy rectify` puts values right; " if request_type is Kind.RECTIFICATION else ""
        say(f"A person answers it: {rectified}note it with `cdp privacy complete`.")
    elif made.status == "approved":
        say("Carry it out with `cdp privacy run`.")
    else:
        say("Somebody else approves it with `cdp privacy approve`, then `cdp privacy run` carries it out.")


@app.command("run")
def run(as_json: bool = Json) -> None:
    """Carry out every approved request, finish interrupted ones, and tell controllers how theirs go on."""
    from pipelines.erasing import requests
    from pipelines.erasing.callbacks import call_back

    settings = load_settings()
    carried_out = requests.run_all(settings, progress=note)
    call_back(settings, progress=note)
    if as_json:
        emit_json(carried_out)
        return
    for one in carried_out:
        if "package" in one:
            say(f"Request {one['package']['request']}: {privacy_packages.answer(one['package'])}")
        else:
            say(f"Request {one['receipt']['request']}: {one['receipt']['status']}.")
    if not carried_out:
        say("Nothing waits.")


@app.command("replay")
def replay(as_json: bool = Json) -> None:
    """After a restored backup: erase again what was erased since it was made."""
    from pipelines.erasing.replay import replay as again

    signed = again(load_settings(), progress=note)
    if as_json:
        emit_json(signed)
    elif signed is None:
        say("Nothing waits: this home has been through every erasure.")
    else:
        _told(signed)


@app.command("verify")
def verify(
    request_id: str = typer.Argument(..., metavar="REQUEST", help="The request."),
    identifiers: list[str] = typer.Option([], "--identifier", help="TYPE:VALUE to search for in every file and table."),
    as_json: bool = Json,
) -> None:
    """Check again that nothing of a request's people is there."""
    from pipelines.erasing import check

    found = check.verify(load_settings(), request_id, identifiers)
    if as_json:
        emit_json(found)
    elif found["clean"]:
        searched = f"; {found['search']['files']} files searched" if found["search"] else ""
        say(f"Nothing is left: {found['tokens']} tokens compared with every raw record{searched}.")
        if found["search"] and found["search"]["not_searched"]:
            kinds = ", ".join(found["search"]["not_searched"])
            say(f"Too short to be searched for in files, compared by tokens only: {kinds}.")
    for one in [] if as_json else found["kept"]:
        say(f"Kept: {one['records']} record(s), {one['reason']}.")
    if not found["clean"]:
        raise CheckFailed(f"Something of request {request_id} is there again; see --json for the places.")


@app.command("receipt")
def receipt(
    request_id: str = typer.Argument(..., metavar="REQUEST", help="The request."),
    public_key: Path | None = typer.Option(
        None, "--public-key", help="Verify with this key instead of the stored one."
    ),
    as_json: bool = Json,
) -> None:
    """Show a receipt after verifying its signature and the chain of all receipts, offline."""
    from privacy import receipts

    settings = load_settings()
    signed = receipts.read(settings.privacy, request_id)
    problems = receipts.verify(settings.privacy, public_key)
    if as_json:
        emit_json({**signed, "problems": problems})
    else:
        _told(signed)
        say("Signature and chain hold." if not problems else " ".join(problems))
    if problems:
        raise CheckFailed(problems[0])


@app.command("unsuppress")
def unsuppress(
    request_id: str = typer.Argument("", metavar="[REQUEST]", help="The request whose people are all customers anew."),
    identifier: list[str] = typer.Option([], "--identifier", help="Only who has this, as TYPE:VALUE; repeatable."),
    as_json: bool = Json,
) -> None:
    """Let the data of erased people come in again: of a whole request, or of who is named; audited."""
    if bool(request_id) == bool(identifier):
        raise InputError("Name either a request or, with --identifier, people.")
    if identifier:
        from pipelines.erasing.lifting import lift_people

        name, people = lift_people(load_settings(), identifier)
        if as_json:
            emit_json({"lifting": name, "people": people})
            return
        say(f"{people} suppression(s) are lifted ({name}); the next delivery is taken in.")
        return
    from pipelines.erasing import check

    lifted = check.lift(load_settings(), request_id)
    if as_json:
        emit_json({"request": request_id, "lifted": lifted})
        return
    say(f"{lifted} tokens of {request_id} are lifted; the next delivery is taken in.")


def _listed(kinds: Iterable[Kind]) -> str:
    return ", ".join(kind for kind in Kind if kind in kinds)


def _doubts(doubtful: list[dict[str, Any]]) -> None:
    if doubtful:
        say(f"{len(doubtful)} doubtful record(s) were left for a person to decide:")
        table(
            ("record", "why", "probability"), [(one["record"], one["reason"], one["probability"]) for one in doubtful]
        )


def _told(signed: dict[str, Any]) -> None:
    body = signed["receipt"]
    rows = [
        (one["store"], one["matched"], one["erased"], one["kept"], one["control_hits"], one["residual_hits"])
        for one in body["stores"]
    ]
    table(("place", "matched", "erased", "kept", "found before", "found after"), rows)
    for one in body["stores"]:
        if one["store"].startswith("held:") and one["kept"]:
            say(f"Kept: {one['kept']} record(s) of {one['store'].removeprefix('held:')}, {one['reason']}.")
    for text in body["notes"]:
        say(f"Not checked: {text}.")
    say(
        f"Receipt {body['sequence']} of {body['request']}: {body['status']}, {body['tokens']} tokens suppress the data."
    )
