"""The curve of feeling over the stages: one honest cell per stage.

A rated ticket counts as it was rated; an unrated one as its text says, if the text says anything. The cell shows n, how
much of it is backed by ratings, how much by text, and how many texts gave no verdict. Scores run from -1 to 1.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np

from journeys import statistics
from journeys.feeling import lexicon, ngram
from journeys.feeling.keeping import Learnt
from journeys.feeling.languages import language
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope

STAGES = "select stage from marts.journey_stages order by position"

TICKETS = """
with {stays}
select
    s.stage,
    s.position,
    k.satisfaction,
    coalesce(k.description, '') as text
from marts.tickets as k
inner join stays as s
    on k.profile_id = s.profile_id
    and k.created_at >= s.entered_at
    and (s.left_at is null or k.created_at < s.left_at)
where k.created_at >= $since and k.created_at <= $until
order by s.position, k.ticket_id
"""


class FeelingCell(Frozen):
    """One stage: the mean score with its interval, and what stands behind it.

    `rated` tickets count as rated, `from_text` by what their text says, `no_verdict` not at all; `backed` is the share
    of tickets behind the score. `languages` tells of the texts: how many had to be read and how many gave a verdict.
    """

    stage: str
    score: Measure
    tickets: int
    rated: int
    from_text: int
    no_verdict: int
    backed: float | None
    languages: dict[str, dict[str, int]]


class LearntModel(Frozen):
    """What the texts in other languages than English were read with.

    `checks` holds, per language, rated texts, verdicts on them while they were unseen, and how many were right;
    `speaks` the languages in which that was surely better than a coin. `reason` says why there is no model.
    """

    version: str | None
    rated_texts: int
    speaks: tuple[str, ...]
    checks: dict[str, dict[str, int | float | None]]
    reason: str | None


class FeelingCurve(Frozen):
    """All stages in order."""

    cells: tuple[FeelingCell, ...]
    model: LearntModel
    queries: dict[str, Query]


NO_MODEL = Learnt(None, "No model was asked for.")


def verdict(text: str, model: ngram.Model | None = None) -> lexicon.Verdict:
    """English by the lexicon, everything else by the trained model; without one there is no verdict."""
    if not text.strip():
        return lexicon.Verdict(None)
    if language(text) == "en":
        return lexicon.score(text)
    return model.score([text])[0] if model is not None else lexicon.Verdict(None)


def measure(connection: duckdb.DuckDBPyConnection, scope: Scope, learnt: Learnt = NO_MODEL) -> FeelingCurve:
    """The curve of the people in scope."""
    rows, query = scope.fetch(connection, TICKETS)
    path, stage_query = scope.fetch(connection, STAGES)
    # The same sentence is scored once, however many people wrote it.
    unrated = sorted({row["text"] for row in rows if row["satisfaction"] is None})
    foreign = [text for text in unrated if text.strip() and language(text) != "en"]
    read = learnt.model.score(foreign) if learnt.model else [lexicon.Verdict(None)] * len(foreign)
    verdicts = {text: verdict(text) for text in unrated} | dict(zip(foreign, read, strict=True))
    return FeelingCurve(
        cells=tuple(
            _cell(stage["stage"], [row for row in rows if row["stage"] == stage["stage"]], verdicts) for stage in path
        ),
        model=_described(learnt),
        queries={"tickets": query, "stages": stage_query},
    )


def _described(learnt: Learnt) -> LearntModel:
    model = learnt.model
    checks = model.checks if model else {}
    return LearntModel(
        version=model.version if model else None,
        rated_texts=model.trained_on if model else 0,
        speaks=tuple(name for name, check in checks.items() if model and model.band is not None and check.trusted),
        checks={
            name: {"texts": check.texts, "verdicts": check.spoken, "right": check.right, "accuracy": check.accuracy}
            for name, check in checks.items()
        },
        reason=learnt.reason,
    )


def _cell(stage: str, rows: list[dict[str, Any]], verdicts: dict[str, lexicon.Verdict]) -> FeelingCell:
    rated = [1.0 if row["satisfaction"] == "good" else -1.0 for row in rows if row["satisfaction"] is not None]
    spoken = [verdicts[row["text"]] for row in rows if row["satisfaction"] is None]
    said = [each.score for each in spoken if each.score is not None]
    scores = np.asarray([*rated, *said])
    n = len(scores)
    value = low = high = None
    if n:
        value = float(scores.mean())
        error = float(scores.std(ddof=1)) / n**0.5 if n > 1 else None
        if error is not None:
            low, high = max(value - statistics.Z95 * error, -1.0), min(value + statistics.Z95 * error, 1.0)
    return FeelingCell(
        stage=stage,
        score=Measure(value=value, n=n, low=low, high=high, unit="score -1 to 1", query="tickets"),
        tickets=len(rows),
        rated=len(rated),
        from_text=len(said),
        no_verdict=len(spoken) - len(said),
        backed=n / len(rows) if rows else None,
        languages=_languages([row for row in rows if row["satisfaction"] is None], verdicts),
    )


def _languages(unrated: list[dict[str, Any]], verdicts: dict[str, lexicon.Verdict]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in unrated:
        counts = found.setdefault(language(row["text"]), {"texts": 0, "verdicts": 0})
        counts["texts"] += 1
        counts["verdicts"] += not verdicts[row["text"]].abstains
    return dict(sorted(found.items()))
