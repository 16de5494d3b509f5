"""Whom and when an analysis looks at, rendered into SQL.

A `Scope` turns "everybody", a relation of profile ids and a period into two common table expressions, `people` and
`stays`, that every query of this package starts from. Names of relations are checked, values are bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from cdp.errors import InputError
from journeys.measures import Query

_RELATION = re.compile(r'^(?:[A-Za-z_][A-Za-z0-9_]*|"[^"\0]+")(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|"[^"\0]+")){0,2}$')
_PARAMETER = re.compile(r"\$([a-z_]+)\b")
_MODEL = re.compile(r"\bmarts\.([a-z_]+)")

PEOPLE = """people as (
    select distinct profile_id from {relation}
)"""

# An episode that runs past the end of the period has not ended yet, as far as this period knows.
STAYS = """stays as (
    select
        e.profile_id,
        e.episode_id,
        e.stage,
        s.position,
        s.is_path,
        e.entered_at,
        case when e.left_at <= $until then e.left_at end as left_at,
        case when e.left_at <= $until then lead(e.stage) over later end as next_stage,
        case when e.left_at <= $until then lead(e.move) over later end as next_move,
        e.left_at is null or e.left_at > $until as is_open
    from marts.stage_episodes as e
    inner join people using (profile_id)
    inner join marts.journey_stages as s on e.stage = s.stage
    where e.entered_at <= $until
    window later as (partition by e.profile_id order by e.episode_number)
    qualify coalesce(e.left_at, $until) >= $since
)"""


@dataclass(frozen=True)
class Scope:
    """People (a relation with `profile_id`; all profiles by default) between two moments, both inclusive, UTC.

    `origin` is the query that chose the people, when they were chosen by one.
    """

    until: datetime
    since: datetime | None = None
    relation: str = "marts.profiles"
    segment: str | None = None
    origin: Query | None = None

    def __post_init__(self) -> None:
        checked_relation(self.relation)
        if self.since is not None and self.since >= self.until:
            raise InputError("The period ends before it begins: `since` must be earlier than `until`.")

    @property
    def parameters(self) -> dict[str, Any]:
        """`since` and `until` as naive UTC, the way the marts store time."""
        return {"since": naive(self.since) if self.since else datetime(1, 1, 1), "until": naive(self.until)}

    @property
    def traces(self) -> dict[str, Query]:
        """The query behind the people, under the name that traces give it; empty for everybody."""
        return {"audience": self.origin} if self.origin else {}

    def render(self, sql: str) -> str:
        """`sql` with `{people}` and `{stays}` replaced by their table expressions."""
        people = PEOPLE.format(relation=self.relation)
        return sql.replace("{people}", people).replace("{stays}", f"{people},\n{STAYS}")

    def fetch(
        self, connection: duckdb.DuckDBPyConnection, sql: str, **values: Any
    ) -> tuple[list[dict[str, Any]], Query]:
        """Rows of a query as dictionaries (small results: cells, not events) and the query as it ran."""
        text = self.render(sql)
        bound = {key: value for key, value in {**self.parameters, **values}.items() if f"${key}" in text}
        cursor = connection.execute(text, bound or None)
        names = [column[0] for column in cursor.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return rows, traced(text, bound, self.relation)


def checked_relation(relation: str) -> str:
    """The relation itself when it is a plain name; InputError otherwise, so that nothing else reaches SQL."""
    if not _RELATION.match(relation):
        raise InputError("The people of an analysis must be named by a plain relation such as `schema.table`.")
    return relation


def traced(sql: str, parameters: dict[str, Any], relation: str = "marts.profiles") -> Query:
    """The trace of a query: models named in its text, the text itself, its bound values."""
    models = {f"marts.{name}" for name in _MODEL.findall(sql)} | {relation}
    return Query(
        models=tuple(sorted(models)),
        sql=sql,
        parameters={key: _plain(value) for key, value in parameters.items()},
        statement=_PARAMETER.sub(
            lambda found: _literal(parameters[found[1]]) if found[1] in parameters else found[0], sql
        ),
    )


def _plain(value: Any) -> Any:
    """A bound value as JSON can carry it and the engine takes it again."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float) else str(value)


def _literal(value: Any) -> str:
    """A bound value as SQL."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(each) for each in value)}]"
    if value is None or isinstance(value, bool | int | float):
        return "null" if value is None else str(value).lower()
    if isinstance(value, datetime):
        return f"timestamp '{naive(value).isoformat(sep=' ')}'"
    return "'" + str(value).replace("'", "''") + "'"


def naive(moment: datetime) -> datetime:
    """A moment as the marts store it: UTC without zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def has_column(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Whether a published table has a column; with an empty `column`, whether the table exists."""
    sql = """
        select count(*) from information_schema.columns
        where table_schema = 'marts' and table_name = $table and ($column = '' or column_name = $column)
    """
    found = connection.execute(sql, {"table": table, "column": column}).fetchone()
    return found is not None and found[0] > 0
