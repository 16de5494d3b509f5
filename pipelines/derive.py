"""The steps between checked marts and the snapshot, as plain functions: what needs more than SQL models.

Each opens its own connection, commits as a whole and may be repeated. The subjects do the work; here they are brought
together and told of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines import stage_set
from pipelines.consents import gate
from pipelines.context import RunContext

if TYPE_CHECKING:
    from expectations.runner import TableReport
    from journeys.predictions.estimate import PredictionReport
    from journeys.rules.history import RuleChange


# What people fill in or replace, in the state home.
PERSONAS = "personas.yaml"
INTERVENTIONS = "interventions.yaml"
# What was learnt and is learnt anew when it is gone.
MODELS = "models"


def stage_rules(run: RunContext) -> RuleChange | None:
    """Keep the version of the stage rules, and what a change of them did to everybody's history."""
    from journeys.rules import history

    with run.step("rules") as step, run.engine.writer() as connection:
        chosen = stage_set.variables(run.settings)["stage_set"]
        change = history.record(connection, stage_set=chosen, run_id=run.run_id, as_of=run.as_of)
        if change is None:
            step.detail = "(unchanged)"
        elif change.compared is None:
            step.rows, step.detail = len(change.changes), "(first version)"
        else:
            step.rows = len(change.changes)
            step.detail = (
                f"(version {change.version}: {change.stage_differs:,} of {change.compared:,} people stand elsewhere, "
                f"{change.history_differs:,} have another history)"
            )
    return change


def predictions(run: RunContext) -> PredictionReport:
    """What comes next for everybody: stage, time, risk of lapsing with its drivers, value still to come."""
    from journeys.predictions.estimate import estimate

    with run.step("predictions") as step, run.engine.writer() as connection:
        report = estimate(connection, run.as_of, anew=run.full_refresh)
        step.rows = report.predicted
        error = report.calibration_error
        checked = "unchecked" if error is None else f"risk of lapsing off by {error:.3f} on average"
        step.detail = f"({checked}{'' if report.learnt else ', inputs unchanged'})"
    return report


def feelings(run: RunContext) -> int:
    """Read what unrated tickets say; the model of other languages is learnt from the rated ones and kept."""
    from journeys.feeling import tables

    with run.step("feelings") as step, run.engine.writer() as connection:
        found = tables.write(connection, run.as_of, run.settings.home / MODELS)
        step.rows = found.verdicts
        step.detail = f"(verdicts from {found.texts:,} texts{'; only English is read' if found.reason else ''})"
    return step.rows


def check_derived(run: RunContext) -> list[TableReport]:
    """The contracts of what was derived; the caller decides what a failure blocks."""
    from expectations import runner

    with run.step("derived contracts") as step, run.engine.writer() as connection:
        reports = runner.check_published(connection, derived=True)
        step.rows, step.detail = len(reports), "(tables)"
    return reports


def personas(run: RunContext) -> int:
    """Give everybody exactly one persona, by the shipped rules or the state home's own."""
    from journeys.personas import rules, tables
    from segments.document import parse
    from segments.partition import first_of
    from segments.sentence import sentence

    with run.step("personas") as step, run.engine.writer() as connection:
        chosen = rules.load(run.settings.home / PERSONAS)
        definitions = [
            parse(
                {"key": one.key, "title": one.named(), "purpose": "analytics", "where": one.where},
                subject=f"The persona {one.key}",
            )
            for one in chosen.personas
        ]
        first_of(connection, definitions, "persona_of", as_of=run.as_of)
        sentences = {one.key: sentence(one.where) for one in definitions}
        rest = tables.write(connection, chosen, "persona_of", sentences)
        step.rows, step.detail = len(chosen.everyone), f"(personas; {rest:,} profiles in the rest)"
    return step.rows


def actions(run: RunContext) -> int:
    """Rank the interventions and find for each person the best one that applies and is allowed."""
    from cdp.store import open_store
    from journeys.findings.inflection import search
    from journeys.interventions import actions as next_actions
    from journeys.interventions import catalogue
    from journeys.interventions.ranking import rank
    from journeys.scope import Scope
    from segments.fitting import fitting
    from segments.library import load
    from segments.partition import first_of, readable
    from segments.sentence import sentence

    with run.step("actions") as step, run.engine.writer() as connection, open_store(run.settings.database_url) as store:
        entries = catalogue.load(run.settings.home / INTERVENTIONS)
        found = rank(search(connection, Scope(until=run.as_of)), entries)
        ranked = [one for one in found if one.status != "dropped"]
        library = {one.key: one for one in fitting(connection, load())[0]}
        documents = [one.segment.model_dump() for one in ranked if one.segment is not None]
        audiences, unreadable = readable(connection, documents, library=library)
        first_of(
            connection, audiences, "action_of", as_of=run.as_of, library=library, only_allowed=True,
            gate=gate(store, connection)[0],
        )  # fmt: skip
        reasons = {one.key: f"Applies to p{sentence(one.where)[1:]}" for one in audiences}
        people = next_actions.write(connection, ranked, "action_of", reasons)
        lost = f"; whom {', '.join(unreadable)} is for cannot be read" if unreadable else ""
        step.rows, step.detail = people, f"(people; {len(ranked)} interventions{lost})"
    return people
