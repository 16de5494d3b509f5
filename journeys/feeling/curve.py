"""The curve of feeling over the stages: one honest cell per stage.

A rated ticket counts as it was rated; an unrated one as its text says, if the text says anything (see `tables`). The
cell shows n, how much of it is backed by ratings, how much by text, and how many texts gave no verdict. Scores run from
-1 to 1; `good` is the share of those above zero.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb

from journeys import statistics
from journeys.feeling import tables
from journeys.measures import Frozen, Measure, Query, share
from journeys.scope import Scope

STAGES = "select stage from marts.journey_stages order by position"

_TOLD = """
with {stays},
told as (
    select
        s.stage,
        k.satisfaction is not null as is_rated,
        f.language,
        case
            when k.satisfaction is not null then if(k.satisfaction = 'good', 1.0, -1.0)
            else f.score
        end as feeling
    from marts.tickets as k
    inner join stays as s
        on k.profile_id = s.profile_id
        and k.created_at >= s.entered_at
        and (s.left_at is null or k.created_at < s.left_at)
    left join {verdicts} as f on k.ticket_id = f.ticket_id
    where k.created_at >= $since and k.created_at <= $until
)"""

CELLS = (
    _TOLD
    + """
select
    stage,
    count(*) as tickets,
    count(*) filter (is_rated) as rated,
    count(feeling) filter (not is_rated) as from_text,
    count(*) filter (not is_rated and feeling is null) as no_verdict,
    count(feeling) as felt,
    count(*) filter (feeling > 0) as good,
    avg(feeling) as mean,
    stddev_samp(feeling) as spread
from told
group by stage
"""
)

LANGUAGES = (
    _TOLD
    + """
select stage, coalesce(language, 'unread') as language, count(*) as texts, count(feeling) as verdicts
from told
where not is_rated
group by stage, language
order by stage, language
"""
)


class FeelingBasis(Frozen):
    """What stands behind a feeling.

    `rated` tickets count as rated, `from_text` by what their text says, `no_verdict` not at all; `backed` is the share
    of tickets behind the number, `text_share` how much of it is text. `languages` tells of the texts: how many had to
    be read and how many gave a verdict.
    """

    tickets: Measure
    rated: Measure
    from_text: Measure
    no_verdict: Measure
    backed: Measure
    text_share: Measure
    languages: dict[str, dict[str, int]]


class FeelingCell(Frozen):
    """One stage: the share that is good and the mean score, each with its interval, and what stands behind them."""

    stage: str
    score: Measure
    good: Measure
    tickets: int
    rated: int
    from_text: int
    no_verdict: int
    backed: float | None
    languages: dict[str, dict[str, int]]

    @property
    def basis(self) -> FeelingBasis:
        """The counts as measures, for a page on which every number can be traced."""
        read = self.rated + self.from_text

        def counted(value: int) -> Measure:
            return Measure(value=value, n=self.tickets, unit="tickets", query="feeling")

        return FeelingBasis(
            tickets=counted(self.tickets),
            rated=counted(self.rated),
            from_text=counted(self.from_text),
            no_verdict=counted(self.no_verdict),
            backed=_part(read, self.tickets, "share of tickets"),
            text_share=_part(self.from_text, read, "share of verdicts"),
            languages=self.languages,
        )


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


def measure(connection: duckdb.DuckDBPyConnection, scope: Scope) -> FeelingCurve:
    """The curve of the people in scope."""
    written = tables.is_written(connection)
    verdicts = tables.verdicts(connection)
    rows, cells = scope.fetch(connection, CELLS.replace("{verdicts}", verdicts))
    tongues, languages = scope.fetch(connection, LANGUAGES.replace("{verdicts}", verdicts))
    path, stages = scope.fetch(connection, STAGES)
    by_stage = {row["stage"]: row for row in rows}
    spoken: dict[str, dict[str, dict[str, int]]] = {}
    for row in tongues:
        spoken.setdefault(row["stage"], {})[row["language"]] = {"texts": row["texts"], "verdicts": row["verdicts"]}
    return FeelingCurve(
        cells=tuple(_cell(row["stage"], by_stage.get(row["stage"], {}), spoken.get(row["stage"], {})) for row in path),
        model=_model(connection) if written else LearntModel(
            version=None, rated_texts=0, speaks=(), checks={}, reason="No text was read yet: run `cdp run` again."
        ),
        queries={"feeling": cells, "feeling_languages": languages, "feeling_stages": stages},
    )  # fmt: skip


def _cell(stage: str, row: dict[str, Any], languages: dict[str, dict[str, int]]) -> FeelingCell:
    tickets, felt, good = (int(row.get(name, 0)) for name in ("tickets", "felt", "good"))
    mean, spread = row.get("mean"), row.get("spread")
    low = high = None
    if mean is not None and spread is not None:
        error = statistics.Z95 * spread / felt**0.5
        low, high = max(mean - error, -1.0), min(mean + error, 1.0)
    return FeelingCell(
        stage=stage,
        score=Measure(value=mean, n=felt, low=low, high=high, unit="score -1 to 1", query="feeling"),
        good=share(good, felt, "share of ratings and verdicts that are good", "feeling"),
        tickets=tickets,
        rated=int(row.get("rated", 0)),
        from_text=int(row.get("from_text", 0)),
        no_verdict=int(row.get("no_verdict", 0)),
        backed=felt / tickets if tickets else None,
        languages=languages,
    )


def _part(hits: int, n: int, unit: str) -> Measure:
    """A share of everything there was: counted, so without an interval."""
    return Measure(value=hits / n if n else None, n=n, unit=unit, query="feeling")


def _model(connection: duckdb.DuckDBPyConnection) -> LearntModel:
    sql = f"select version, rated_texts, speaks, checks, reason from marts.{tables.MODELS}"
    version, rated, speaks, checks, reason = connection.execute(sql).fetchall()[0]
    known = {
        name: {"texts": c["texts"], "verdicts": c["spoken"], "right": c["right"], "accuracy": c["accuracy"]}
        for name, c in json.loads(checks).items()
    }
    return LearntModel(version=version, rated_texts=rated, speaks=tuple(speaks), checks=known, reason=reason)
