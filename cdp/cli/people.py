"""Commands with which people decide who is who: merge, split, review, withdraw, explain, history, hubs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, note, say, table
from cdp.cli.state import load_settings
from cdp.errors import InputError

if TYPE_CHECKING:
    from cdp.domain.decisions import HubAction
    from identity.explain import Compared, Explanation
    from pipelines.deciding import Decided, Way

hubs = typer.Typer(help="Values that too many different people share to tell who somebody is.", no_args_is_help=True)

Note = typer.Option(None, "--note", help="Why; kept with the decision.")
By = typer.Option(None, "--author", help="Who decides; default is the command line.")
AtOnce = typer.Option(True, "--apply/--later", help="Carry it out at once, or leave it to the next run.")
Later = typer.Option(False, "--apply/--later", help="Carry it out at once, or leave it to the next run.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to those about identity."""
    for name, command in (
        ("merge", merge), ("split", split), ("review", review), ("withdraw", withdraw), ("decisions", decisions),
        ("explain", explain), ("history", history),
    ):  # fmt: skip
        app.command(name)(command)
    app.add_typer(hubs, name="hubs")


def merge(
    a: str = typer.Argument(..., help="A profile id, or a record as SOURCE:ID."),
    b: str = typer.Argument(..., help="Another one."),
    *,
    reason: str | None = Note,
    author: str | None = By,
    apply: bool = AtOnce,
    as_json: bool = Json,
) -> None:
    """Declare two profiles one person. The lost id leads to the living one, and `withdraw` restores it."""
    from pipelines import deciding

    _tell(deciding.merge(load_settings(), a, b, _way(author, reason, apply)), as_json)


def split(
    profile: str = typer.Argument(..., help="A profile id, or one of its records as SOURCE:ID."),
    *,
    records: str = typer.Option(..., "--records", help="Records that are another person's: SOURCE:ID,SOURCE:ID."),
    reason: str | None = Note,
    author: str | None = By,
    apply: bool = AtOnce,
    as_json: bool = Json,
) -> None:
    """Declare some records of a profile another person."""
    from pipelines import deciding

    chosen = [record.strip() for record in records.split(",") if record.strip()]
    _tell(deciding.split(load_settings(), profile, chosen, _way(author, reason, apply)), as_json)


def withdraw(
    decision: str = typer.Argument(..., help="The decision's id."),
    reason: str | None = Note,
    author: str | None = By,
    apply: bool = AtOnce,
    as_json: bool = Json,
) -> None:
    """Take a decision back: the former state returns, the former ids included."""
    from pipelines import deciding

    _tell(deciding.withdraw(load_settings(), decision, _way(author, reason, apply)), as_json)


def review(
    records: list[str] | None = typer.Argument(None, help="With --answer: the two records of the question."),
    *,
    answer: str | None = typer.Option(None, "--answer", help="same or different: are the two records one person?"),
    limit: int = typer.Option(20, min=1, max=10_000, help="How many questions to show."),
    reason: str | None = Note,
    author: str | None = By,
    apply: bool = Later,
    as_json: bool = Json,
) -> None:
    """Show the questions of which one answer changes or teaches most, or answer one."""
    from pipelines import deciding

    if answer is not None or records:
        if answer not in ("same", "different") or records is None or len(records) != 2:
            raise InputError("An answer is `cdp identity review RECORD_A RECORD_B --answer same`, or `different`.")
        way = _way(author, reason, apply)
        decided = deciding.answer(load_settings(), records[0], records[1], way, same=answer == "same")
        _tell(decided, as_json)
        return
    questions = deciding.list_questions(load_settings(), limit)
    if as_json:
        emit_json(questions)
        return
    table(
        ("record", "record", "one person now", "likely", "why asked", "weight of an answer"),
        [
            (q.record_a, q.record_b, q.joined, f"{q.probability:.0%}", q.reason, f"{q.value:.2f}")
            for q in questions
        ],
    )  # fmt: skip
    note("Look with `cdp identity explain A B`, answer with `cdp identity review A B --answer same|different`.")


def decisions(
    active: bool = typer.Option(False, "--active", help="Only those that hold."),
    limit: int = typer.Option(100, min=1, max=100_000, help="How many, newest first."),
    as_json: bool = Json,
) -> None:
    """List what people decided, by whom and when."""
    from pipelines import deciding

    found = deciding.list_decisions(load_settings(), active_only=active, limit=limit)
    if as_json:
        emit_json(found)
        return
    table(
        ("decision", "kind", "by", "at", "links", "effective", "note"),
        [
            (
                d["decision_id"], d["kind"], d["author"]["name"], f"{d['author']['at']:%Y-%m-%d %H:%M}",
                len(d["links"]), d["effective"], d["author"]["note"] or "",
            )
            for d in found
        ],
    )  # fmt: skip


def explain(
    record_a: str = typer.Argument(..., help="A record as SOURCE:ID."),
    record_b: str = typer.Argument(..., help="Another one."),
    svg: Path | None = typer.Option(None, "--svg", help="Write Splink's waterfall chart to this file."),
    as_json: bool = Json,
) -> None:
    """Why two records are one person, or are not: every comparison with its weight, and how they are joined."""
    from pipelines import deciding

    told, fields = deciding.explain(load_settings(), record_a, record_b)
    if svg is not None:
        from identity.waterfall import draw

        svg.write_text(draw(told), encoding="utf-8")
        note(f"The waterfall chart is in {svg}.")
    if as_json:
        emit_json({**told.to_json(), "fields": fields})
        return
    _say_explanation(told, fields)


def history(profile: str = typer.Argument(..., help="A profile id, living or not."), as_json: bool = Json) -> None:
    """What became of a profile id: created, merged, split, moved, restored, retired."""
    from pipelines import deciding

    found = deciding.read_history(load_settings(), profile)
    if as_json:
        emit_json(found)
        return
    heir = f", it lives on as {found.lives_on_as}" if found.lives_on_as else ""
    say(f"{found.profile_id} is {found.status}{heir}; {len(found.records)} record(s): {', '.join(found.records)}\n")
    table(
        ("at", "what", "profile", "others", "why"),
        [(f"{e.at:%Y-%m-%d %H:%M}", e.kind, e.profile_id, ", ".join(e.others), e.reason) for e in found.events],
    )


@hubs.command("list")
def hubs_list(as_json: bool = Json) -> None:
    """All hubs, and the values about which people said something."""
    from pipelines import deciding

    found = deciding.list_hubs(load_settings())
    if as_json:
        emit_json(found)
        return
    table(
        ("kind", "value", "names", "records", "is a hub", "people say"),
        [(h.kind, h.value, h.names, h.records, h.is_hub, h.edit or "") for h in found],
    )


@hubs.command("block")
def hubs_block(
    kind: str = typer.Argument(..., help="email, phone or address."),
    value: str = typer.Argument(..., help="The value, as people write it."),
    reason: str | None = Note,
    author: str | None = By,
    as_json: bool = Json,
) -> None:
    """A value tells nothing about who somebody is, however few share it."""
    _edit(kind, value, "block", author, reason, as_json=as_json)


@hubs.command("allow")
def hubs_allow(
    kind: str = typer.Argument(..., help="email, phone or address."),
    value: str = typer.Argument(..., help="The value, as people write it."),
    reason: str | None = Note,
    author: str | None = By,
    as_json: bool = Json,
) -> None:
    """A value is evidence of who somebody is, however many share it."""
    _edit(kind, value, "allow", author, reason, as_json=as_json)


@hubs.command("learn")
def hubs_learn(
    kind: str = typer.Argument(..., help="email, phone or address."),
    value: str = typer.Argument(..., help="The value, as people write it."),
    reason: str | None = Note,
    author: str | None = By,
    as_json: bool = Json,
) -> None:
    """Take an edit back: the data decide again whether a value is a hub."""
    _edit(kind, value, "learn", author, reason, as_json=as_json)


def _edit(kind: str, value: str, action: HubAction, author: str | None, reason: str | None, *, as_json: bool) -> None:
    from pipelines import deciding

    edited = deciding.edit_hub(load_settings(), kind, value, action, deciding.signed(author, reason))
    if as_json:
        emit_json({"kind": kind, "value": edited, "action": action, "carried_out": False})
        return
    say(f"{action}: {kind} {edited}. It takes effect at the next run; `cdp run` starts one.")


def _way(author: str | None, reason: str | None, apply: bool) -> Way:
    from pipelines import deciding

    return deciding.Way(deciding.signed(author, reason), apply, note)


def _tell(decided: Decided, as_json: bool) -> None:
    if as_json:
        emit_json(decided)
        return
    decision = decided.decision
    verb = "written" if decision["withdrawn"] is None else "withdrawn"
    say(f"Decision {decision['decision_id']} ({decision['kind']}) is {verb}.")
    if decided.carried_out:
        say(f"It is carried out: its records are in profile(s) {', '.join(decided.profiles)}.")
    else:
        why = f"{decided.reason} " if decided.reason else ""
        say(f"{why}It takes effect at the next run; `cdp run` starts one.")


def _say_explanation(told: Explanation, fields: list[Compared]) -> None:
    for sentence in told.words:
        say(sentence)
    say()
    start = ("", "before looking", told.start_strangers, 0.0, told.start_home)
    parts = [(p.field, p.finding, p.against_strangers, p.rarity, p.against_home) for p in told.parts]
    end = ("", "together", told.against_strangers, 0.0, told.against_home)
    table(
        ("field", "finding", "against strangers", "rarity", "against housemates"),
        [
            (field, finding, *(f"{weight:+.2f}" for weight in weights))
            for field, finding, *weights in (start, *parts, end)
        ],
    )
    say()
    table(("field", told.record_a, told.record_b), [(f.field, f.a, f.b) for f in fields])
    if told.path:
        say("\nJoined over")
        table(("record", "record", "likely", "by"), [_step(vars(step)) for step in told.path])
    if told.refusals:
        say("\nRefused merges")
        table(("record", "record", "likely", "why"), [_step(vars(refusal)) for refusal in told.refusals])
    if told.decisions:
        say("\nDecisions")
        table(
            ("decision", "kind", "record", "record", "effective"),
            [(r.decision_id, r.kind, r.record_a, r.record_b, r.effective) for r in told.decisions],
        )


def _step(facts: dict[str, Any]) -> tuple[str, str, str, str]:
    why = facts.get("by") or facts["reason"]
    return facts["record_a"], facts["record_b"], f"{facts['probability']:.1%}", why
