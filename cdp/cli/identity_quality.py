"""Prints what `cdp identity evaluate` and `models` found, for a person; `--json` holds more."""

from __future__ import annotations

from typing import Any

from cdp.cli.output import say, table

_SAMPLES = 5
_LEVELS = 12


def show_scores(found: dict[str, Any]) -> None:
    """Scores against a truth, by pair of sources, with the keys of some errors."""
    for name in ("pairwise", "b_cubed"):
        scores = found[name]
        say(f"{name:<9} precision {scores['precision']:.4f}  recall {scores['recall']:.4f}  f1 {scores['f1']:.4f}")
    say(f"{found['exact_clusters']:,} of {found['persons']:,} people have exactly one profile of their own")
    say(f"{found['scored']:,} records scored, {found['absent']:,} of the truth absent, {found['unlabelled']:,} unknown")
    say()
    table(
        ("sources", "precision", "recall", "f1", "true pairs"),
        [
            (f"{p['source_a']} - {p['source_b']}", *(f"{p[k]:.4f}" for k in ("precision", "recall", "f1")), p["true"])
            for p in found["by_source_pair"]
        ],
    )
    for kind, words in (("joined", "two people in one profile"), ("missed", "one person in two profiles")):
        for record_a, record_b in found["error_samples"][kind][:_SAMPLES]:
            say(f"{words}: {record_a}  {record_b}")


def show_quality(found: dict[str, Any]) -> None:
    """Measures without a truth, and the limits that publishing is held to."""
    say(f"{found['records']:,} records in {found['profiles']:,} profiles")
    say()
    table(("records in a profile", "profiles"), list(found["cluster_sizes"].items()))
    say()
    within = found["within_profile"]
    table(
        ("distinct in a profile", "1", "2-3", "4+"),
        [(name.replace("_", " "), *(counts[size] for size in ("1", "2-3", "4+"))) for name, counts in within.items()],
    )
    refused = found["refused_merges"]
    say(f"\n{refused['total']:,} merges were refused, {refused['review_backlog']:,} wait for a person's decision")
    for reason, count in refused["by_reason"].items():
        say(f"  {reason:<28} {count:,}")
    say()
    table(
        ("limit", "value", "at most", "concerned", ""),
        [(v["measure"], f"{v['value']:.4g}", f"{v['at_most']:.4g}", v["concerned"], _word(v)) for v in found["limits"]],
    )


def show_models(found: dict[str, Any]) -> None:
    """Models kept, and the levels whose weight moved most from the one before to the one in force."""
    table(
        ("model", "records", "made", "run", ""),
        [
            (m["version"], m["records"], str(m["created_at"]), m["created_run"], "in force" if m["active"] else "")
            for m in found["models"]
        ],
    )
    drift = found["drift"]
    if drift is None:
        say("\nThere was no model before, so there is no drift to tell.")
        return
    say(f"\nFrom {drift['before']} to {drift['after']}, weights in log2; before -> after:")
    table(
        ("field", "level", "against strangers", "against housemates"),
        [
            (
                level["field"],
                level["level"],
                f"{level['strangers_before']:+.2f} -> {level['strangers_after']:+.2f}",
                f"{level['home_before']:+.2f} -> {level['home_after']:+.2f}",
            )
            for level in drift["levels"][:_LEVELS]
        ],
    )


def show_agreement(found: dict[str, Any]) -> None:
    """How far the model alone agrees with what people decided."""
    if found["labels"]:
        say(
            f"{found['decisions']:,} decision(s) hold with {found['labels']:,} pairs; the model alone agrees on "
            f"{found['agreement']:.0%}, {found['carried_out']:,} are carried out"
        )


def _word(verdict: dict[str, Any]) -> str:
    if verdict["passed"]:
        return "ok"
    return "blocks publishing" if verdict["severity"] == "block" else "warns"
