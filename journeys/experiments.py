"""Randomised experiments: results with intervals, for everybody or by what was known of people at assignment.

Only here and in the findings may a difference be called an effect of a cause. The search for findings holds the same
results corrected for many tests; this module reports each experiment by itself. Results among the members of a segment
are no comparison of random arms unless the treatment cannot change who is in it, so they are worded as association.
"""

from __future__ import annotations

from typing import cast

import duckdb

from cdp.errors import InputError
from journeys import statistics
from journeys.findings import uplift, words
from journeys.findings.inflection import FALSE_DISCOVERY_RATE
from journeys.findings.model import Finding
from journeys.measures import Frozen, Query
from journeys.scope import Scope

CHOSEN_NOTE = (
    "These people were chosen by what is known today: the treatment itself may have changed who belongs, so a "
    "difference among them is an association. Divide everybody by what was known at assignment to keep it random."
)


class ExperimentResults(Frozen):
    """Uplift per experiment and arm against the control arm; with `by`, per part of the people.

    `q_value` is set where several parts were tested together (Benjamini-Hochberg over all of them).
    """

    by: str | None
    results: tuple[Finding, ...]
    note: str | None
    queries: dict[str, Query]


def results(connection: duckdb.DuckDBPyConnection, scope: Scope, *, by: str | None = None) -> ExperimentResults:
    """Every experiment among the people in scope; InputError for a part that is not known."""
    if by is not None and by not in uplift.PARTS:
        raise InputError(f"Experiments cannot be divided by `{by}`; there are: {', '.join(uplift.PARTS)}.")
    queries: dict[str, Query] = {}
    answers = uplift.experiments(connection, scope, queries, by=cast(uplift.Part | None, by))
    tested = iter(statistics.benjamini_hochberg([p_value for _, p_value in answers if p_value is not None]))
    found = []
    for finding, p_value in answers:
        q_value = next(tested) if p_value is not None else None
        surely = q_value is not None and q_value <= FALSE_DISCOVERY_RATE
        corrected = {"q_value": q_value, "discovered": surely} if by is not None else {}
        judged = finding.model_copy(update=corrected)
        found.append(judged.model_copy(update={"sentence": words.sentence(judged)}))
    note = None if uplift.is_everybody(scope) else CHOSEN_NOTE
    return ExperimentResults(by=by, results=tuple(found), note=note, queries=queries)
