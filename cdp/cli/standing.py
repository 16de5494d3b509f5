"""Commands about where people stand and what comes next: rules, predictions, personas, correlations."""

from __future__ import annotations

from typing import Any

import typer

from cdp.cli import journey_options as options
from cdp.cli.data import Json
from cdp.cli.evidence import tell
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings


def register(journey: typer.Typer) -> None:
    """Add this module's commands to `cdp journey`."""
    journey.command("rules")(rules)
    journey.command("predictions")(predictions)
    journey.command("personas")(personas)
    journey.command("correlations")(correlations)


def rules(as_json: bool = Json) -> None:
    """The stage rules that are served, and what each change of them did to people's histories."""
    from pipelines.standing import stage_rules

    facts = stage_rules(load_settings())
    if as_json:
        emit_json(facts)
        return
    say(f"stage set {facts['stage_set']}, version {facts['version']} of the rules")
    table(
        ("stage", "counts for days", "lapses after days"),
        [(stage["label"], stage["hold_days"], stage["lapse_after_days"]) for stage in facts["stages"]],
    )
    for version in facts["versions"]:
        say(f"\nversion {version['version']}, first used for {version['as_of']:%Y-%m-%d}:")
        for line in version["changes"]:
            say(f"  {line}")
        if version["compared"] is not None:
            say(
                f"  {version['stage_differs']:,} of {version['compared']:,} people stand elsewhere, "
                f"{version['history_differs']:,} have another history; {version['not_compared']:,} were not compared"
            )
        if version["moves"]:
            table(("from", "to", "people"), [(m["former"], m["present"], m["profiles"]) for m in version["moves"]])


def predictions(as_json: bool = Json) -> None:
    """How good the predictions are: what they rest on, and how they came out when checked against what happened."""
    from pipelines.standing import predictions as model_card

    card = model_card(load_settings())
    if as_json:
        emit_json(card)
        return
    covered = card["coverage"]
    say(
        f"{covered['with_stage_prediction']:,} of {covered['profiles']:,} profiles have a prediction for the next "
        f"{card['horizon_days']} days, {covered['with_lifetime_value']:,} a lifetime value"
    )
    for missing in card["without_prediction"]:
        say(f"  {missing['profiles']:,} without: {missing['reason']}")
    if card["reason"]:
        say(card["reason"])
    else:
        say(f"\nchecked at {card['split_at']:%Y-%m-%d} against what happened since:")
    table(
        ("move", "stage", "people", "predicted", "happened", "off by", "by chance", "concordance"),
        [
            (c["kind"], c["stage"], c["n"], c["predicted"], c["observed"], c["calibration_error"], c["chance_error"],
             c["concordance"])
            for c in card["checks"]
        ],
    )  # fmt: skip
    say("\nhazard ratios (association):")
    for model in card["models"]:
        told = ", ".join(f"{c['label']} {c['hazard_ratio']:.2f}" for c in model["covariates"]) or "no covariates"
        say(f"  {model['kind']:<8} {model['events']:,} moves of {model['people']:,} people: {told}")


@options.about()
def personas(
    *,
    asked: options.Asked,
    cluster: bool = typer.Option(False, "--cluster", help="Find groups in the data instead of using the rules."),
    groups: int = typer.Option(5, "--groups", help="How many groups to find."),
    as_json: bool = Json,
) -> None:
    """Kinds of customer by behaviour: size, description, where they stand."""
    from journeys import evidence

    def show_clusters(found: Any) -> None:
        table(("group", "people", "description"), [(c.number, _whole(c.people), c.description) for c in found.clusters])
        say(f"the groups explain {found.explained:.0%} of how people differ")

    def show(found: Any) -> None:
        table(
            ("persona", "people", "share", "purchases", "description"),
            [(p.title, _whole(p.people), p.share.value, p.purchases.value, p.description) for p in found.personas],
        )

    if cluster:
        tell(evidence.clusters(groups=groups), asked, as_json, show_clusters)
    else:
        tell(evidence.personas(), asked, as_json, show)


@options.about()
def correlations(*, asked: options.Asked, as_json: bool = Json) -> None:
    """What goes with retention, lapse and value; association only, with intervals."""
    from journeys import evidence

    def show(found: Any) -> None:
        say(
            f"{found.customers:,} customers; what they met in their first {found.exposure_days} days, "
            f"and what followed in the next {found.follow_days}"
        )
        if found.reason:
            say(found.reason)
        associated = [cell.sentence for cell in found.cells if cell.associated]
        for sentence in associated or ["Nothing differs by more than chance explains."]:
            say(f"  {sentence}")

    tell(evidence.correlations(), asked, as_json, show)


def _whole(measure: Any) -> int:
    return int(measure.value or 0)
