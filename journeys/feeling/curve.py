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
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope

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

RATED = """
with {people}
select coalesce(k.description, '') as text, k.satisfaction = 'good' as good
from marts.tickets as k
inner join people using (profile_id)
where k.satisfaction is not null and k.description is not null and k.created_at <= $until
order by k.ticket_id
"""


class FeelingCell(Frozen):
    """One stage: the mean score with its interval, and what stands behind it."""

    stage: str
    score: Measure
    tickets: int
    rated: int
    from_text: int
    no_verdict: int
    backed: float | None


class FeelingCurve(Frozen):
    """All stages in order."""

    cells: tuple[FeelingCell, ...]
    trained_on: int
    queries: dict[str, Query]


def learn(connection: duckdb.DuckDBPyConnection, scope: Scope) -> ngram.Model:
    """A model from the rated tickets of the people in scope; InputError when they are too few."""
    rows, _ = scope.fetch(connection, RATED)
    return ngram.train([row["text"] for row in rows], [bool(row["good"]) for row in rows])


def verdict(text: str, model: ngram.Model | None = None) -> lexicon.Verdict:
    """English by the lexicon, everything else by the trained model; without one there is no verdict."""
    if not text.strip():
        return lexicon.Verdict(None)
    if lexicon.language(text) == "en":
        return lexicon.score(text)
    return model.score([text])[0] if model is not None else lexicon.Verdict(None)


def measure(connection: duckdb.DuckDBPyConnection, scope: Scope, model: ngram.Model | None = None) -> FeelingCurve:
    """The curve of the people in scope."""
    rows, query = scope.fetch(connection, TICKETS)
    stages = dict.fromkeys(row["stage"] for row in rows)
    # The same sentence is scored once, however many people wrote it.
    verdicts = {text: verdict(text, model) for text in {row["text"] for row in rows if row["satisfaction"] is None}}
    cells = tuple(_cell(stage, [row for row in rows if row["stage"] == stage], verdicts) for stage in stages)
    return FeelingCurve(cells=cells, trained_on=model.trained_on if model else 0, queries={"tickets": query})


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
    )
