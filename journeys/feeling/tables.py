"""Verdicts on texts in the marts, so that every number about feeling is one SQL query over what is published.

marts.ticket_feelings holds one row per ticket without a rating: the language of its text, the verdict (null where the
text gives none) and what spoke it. marts.feeling_models holds one row: what the learnt model is and how it did.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from journeys.feeling import keeping, lexicon, ngram
from journeys.feeling.languages import language
from journeys.scope import Scope, has_column

TABLE = "ticket_feelings"
MODELS = "feeling_models"

# Only these are read: a rating says more than the text beside it.
UNRATED = """
select ticket_id, profile_id, coalesce(description, '') as text
from marts.tickets
where satisfaction is null and profile_id is not null
order by profile_id, ticket_id
"""

NOTHING_READ = "(select null::varchar as ticket_id, null::varchar as language, null::double as score where false)"

# What reads a language; all others are read by what was learnt from ratings.
METHODS = {"en": "lexicon"}


@dataclass(frozen=True)
class Reading:
    """What a text says; the score is null where it gives no verdict."""

    language: str
    score: float | None


@dataclass(frozen=True)
class Written:
    """How many texts were read, and how many of them gave a verdict."""

    texts: int
    verdicts: int
    reason: str | None


def write(connection: duckdb.DuckDBPyConnection, as_of: datetime, folder: Path | None = None) -> Written:
    """Read every text without a rating and write both tables in one transaction; `folder` keeps the learnt model."""
    import pyarrow as pa

    learnt = keeping.learn(connection, Scope(until=as_of), folder)
    tickets = connection.execute(UNRATED).to_arrow_table()
    texts = tickets.column("text").to_pylist()
    verdicts = read(texts, learnt.model)
    tongues = [verdicts[text].language for text in texts]
    scores = [verdicts[text].score for text in texts]
    methods = [
        None if score is None else METHODS.get(tongue, "learnt") for tongue, score in zip(tongues, scores, strict=True)
    ]
    rows = pa.table(
        {
            "ticket_id": tickets.column("ticket_id"),
            "profile_id": tickets.column("profile_id"),
            "language": pa.array(tongues, pa.string()),
            "score": pa.array(scores, pa.float64()),
            "method": pa.array(methods, pa.string()),
        }
    )
    connection.register("incoming_feelings", rows)
    connection.execute("begin")
    connection.execute(f"create or replace table marts.{TABLE} as select * from incoming_feelings")
    _describe(connection, learnt)
    connection.execute("commit")
    connection.unregister("incoming_feelings")
    return Written(len(texts), sum(score is not None for score in scores), learnt.reason)


def read(texts: Iterable[str], model: ngram.Model | None = None) -> dict[str, Reading]:
    """English by the lexicon, everything else by the trained model; without one there is no verdict.

    The same sentence is read once, however many people wrote it.
    """
    tongues = {text: language(text) for text in texts}
    foreign = sorted(text for text, tongue in tongues.items() if tongue not in ("en", "none"))
    learnt = dict(zip(foreign, model.score(foreign), strict=True)) if model else {}
    silent = lexicon.Verdict(None)
    return {
        text: Reading(tongue, (lexicon.score(text) if tongue == "en" else learnt.get(text, silent)).score)
        for text, tongue in tongues.items()
    }


def verdicts(connection: duckdb.DuckDBPyConnection) -> str:
    """The relation of verdicts (ticket_id, language, score) for a query; without rows where no text was read yet."""
    return f"marts.{TABLE}" if is_written(connection) else NOTHING_READ


def is_written(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether what is published holds verdicts on texts."""
    return has_column(connection, TABLE, "") and has_column(connection, MODELS, "")


def _describe(connection: duckdb.DuckDBPyConnection, learnt: keeping.Learnt) -> None:
    model = learnt.model
    checks = (
        {name: {**asdict(check), "accuracy": check.accuracy} for name, check in model.checks.items()} if model else {}
    )
    speaks = [name for name, check in model.checks.items() if check.trusted and model.band is not None] if model else []
    connection.execute(
        f"create or replace table marts.{MODELS} "
        "(version varchar, rated_texts bigint, speaks varchar[], checks varchar, reason varchar)"
    )
    connection.execute(
        f"insert into marts.{MODELS} values (?, ?, ?, ?, ?)",
        [model.version if model else None, model.trained_on if model else 0, speaks, json.dumps(checks), learnt.reason],
    )
