"""Whom and when a question is about, as people choose it, and the relation of profile ids that it comes to.

A segment, a persona, people who came through a channel first, people who use certain hours of the day, new or returning
people, a period; every choice narrows the others. Everything that is asked about journeys takes an `Audience`; SQL that
selects its people is kept as the origin of the scope, so that numbers can be traced through it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from cdp.errors import InputError, NotFoundError
from journeys import period as periods
from journeys.measures import Frozen
from journeys.naming import unknown
from journeys.scope import Scope, has_column, traced

if TYPE_CHECKING:
    import duckdb

    from cdp.store.base import Store

Who = Literal["new", "returning"]
_BATCH = 50_000
# At least this share of what somebody does lies in the hours that are called theirs.
_MOSTLY = 0.5

_FIRST_CHANNEL = """p.profile_id in (
    select profile_id from (
        select t.profile_id, {channel} as channel
        from marts.touchpoints as t
        qualify row_number() over (partition by t.profile_id order by t.occurred_at, t.touchpoint_id) = 1
    ) where channel = $channel
)"""
_USUAL_HOURS = """p.profile_id in (
    select t.profile_id
    from marts.touchpoints as t
    where t.occurred_at >= $since and t.occurred_at <= $until{active}
    group by t.profile_id
    having avg((({band})::integer)) >= $mostly
)"""
_NEW = "p.first_seen_at >= $since and p.first_seen_at <= $until"
_RETURNING = """p.first_seen_at < $since and p.profile_id in (
    select profile_id from marts.touchpoints where occurred_at >= $since and occurred_at <= $until
)"""


class Audience(Frozen):
    """People and a period. `until` is the last moment included; titles (of a persona by language) are for reading."""

    segment: str | None = None
    segment_title: str | None = None
    persona: str | None = None
    persona_titles: dict[str, str] = Field(default_factory=dict)
    channel: str | None = None
    hours: tuple[int, int] | None = None
    who: Who | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everybody(self) -> bool:
        """Whether nobody is left out (the period does not choose people)."""
        return not (self.segment or self.persona or self.channel or self.hours or self.who)


def choose(
    *,
    segment: str | None = None,
    persona: str | None = None,
    channel: str | None = None,
    hours: str | None = None,
    who: str | None = None,
    period: str | None = None,
) -> Audience:
    """An audience from texts; InputError names what is written wrong."""
    since, until = periods.period(period) if period else (None, None)
    return Audience(
        segment=segment,
        persona=persona,
        channel=channel,
        hours=periods.hours(hours) if hours else None,
        who=_who(who, since),
        since=since,
        until=until,
    )


def beside(base: Audience, text: str) -> Audience:
    """The audience to compare with: `base` with one choice replaced.

    A plain text is a segment; `persona:NAME`, `channel:NAME`, `hours:18..22`, `period:FROM..TO`, `new`, `returning` and
    `everybody` replace that choice (a segment called so is written `segment:KEY`).
    """
    kind, colon, value = text.partition(":")
    if text == "everybody":
        return Audience(since=base.since, until=base.until)
    if text in ("new", "returning"):
        return _replaced(base, who=_who(text, base.since))
    if not colon:
        return _replaced(base, segment=text, segment_title=None)
    if not value:
        raise InputError(f"What should `{text[:40]}` be compared with? Write a name after the colon.")
    if kind == "period":
        since, until = periods.period(value)
        return _replaced(base, since=since, until=until)
    if kind == "hours":
        return _replaced(base, hours=periods.hours(value))
    if kind in ("segment", "persona", "channel"):
        titles: dict[str, dict[str, Any]] = {"segment": {"segment_title": None}, "persona": {"persona_titles": {}}}
        return _replaced(base, **{kind: value}, **titles.get(kind, {}))
    raise InputError(
        f"`{kind[:20]}` cannot be compared: write a segment, or persona:, channel:, hours:, period:, new, returning or"
        " everybody."
    )


def resolve(
    connection: duckdb.DuckDBPyConnection,
    audience: Audience,
    *,
    as_of: datetime,
    store: Store | None = None,
    name: str = "audience",
) -> Scope:
    """The scope on this connection; its relation `name` is a temporary table that lives as long as the connection.

    NotFoundError names the nearest segment, persona or channel; InputError a period outside the data.
    """
    until = min(audience.until or as_of, as_of)
    if audience.since is not None and audience.since >= until:
        raise InputError(f"The period begins on {audience.since:%Y-%m-%d}, but the data ends on {as_of:%Y-%m-%d}.")
    whole = Scope(until=until, since=audience.since, segment=audience.segment)
    if audience.is_everybody:
        return whole
    tests, values = _tests(connection, audience, store, name)
    known = {**whole.parameters, **values}
    sql = "select p.profile_id\nfrom marts.profiles as p\nwhere " + "\n    and ".join(tests)
    bound = {key: value for key, value in known.items() if f"${key}" in sql}
    chosen = connection.execute(sql, bound or None).to_arrow_table()
    connection.register(f"{name}_chosen", chosen)
    connection.execute(f"create or replace temp table {name} as select profile_id from {name}_chosen")
    connection.unregister(f"{name}_chosen")
    return Scope(
        until=until,
        since=audience.since,
        relation=name,
        segment=audience.segment_title or audience.segment,
        origin=traced(sql, bound),
    )


def titled(audience: Audience, store: Store) -> Audience:
    """The audience with the title of its segment. NotFoundError naming the nearest when there is no such segment."""
    if audience.segment is None:
        return audience
    known = {segment.key: segment.title for segment in store.list_segments()}
    if audience.segment not in known:
        raise NotFoundError(unknown("segment", audience.segment, known))
    return _replaced(audience, segment_title=known[audience.segment])


def named(connection: duckdb.DuckDBPyConnection, audience: Audience) -> Audience:
    """The audience with the titles of its persona, where the snapshot has them."""
    if audience.persona is None or not has_column(connection, "personas", "titles"):
        return audience
    sql = "select titles from marts.personas where persona = $persona"
    rows = connection.execute(sql, {"persona": audience.persona}).fetchall()
    return _replaced(audience, persona_titles=json.loads(rows[0][0])) if rows else audience


def spelled(audience: Audience) -> list[str]:
    """The options of the command line that choose this audience."""
    since = f"{audience.since:%Y-%m-%d}" if audience.since else ""
    until = f"{audience.until:%Y-%m-%d}" if audience.until else ""
    choices = {
        "--segment": audience.segment,
        "--persona": audience.persona,
        "--channel": audience.channel,
        "--hours": "{}..{}".format(*audience.hours) if audience.hours else None,
        "--who": audience.who,
        "--period": f"{since}..{until}" if since or until else None,
    }
    return [word for flag, chosen in choices.items() if chosen for word in (flag, chosen)]


def _tests(
    connection: duckdb.DuckDBPyConnection, audience: Audience, store: Store | None, name: str
) -> tuple[list[str], dict[str, Any]]:
    tests: list[str] = []
    values: dict[str, Any] = {}
    if audience.segment is not None:
        tests.append(_segment(connection, audience.segment, store, f"{name}_members"))
    if audience.persona is not None:
        tests.append("p.persona = $persona")
        values["persona"] = _known_persona(connection, audience.persona)
    if audience.channel is not None:
        channel = channel_of(connection)
        tests.append(_FIRST_CHANNEL.replace("{channel}", channel))
        values["channel"] = _known_channel(connection, audience.channel, channel)
    if audience.hours is not None:
        begin, end = audience.hours
        joined = "and" if begin < end else "or"
        band = f"hour(t.occurred_at) >= $from_hour {joined} hour(t.occurred_at) < $to_hour"
        active = " and t.is_activity" if has_column(connection, "touchpoints", "is_activity") else ""
        tests.append(_USUAL_HOURS.replace("{band}", band).replace("{active}", active))
        values |= {"from_hour": begin, "to_hour": end, "mostly": _MOSTLY}
    if audience.who is not None:
        tests.append(f"({_NEW if audience.who == 'new' else _RETURNING})")
    return tests, values


def _segment(connection: duckdb.DuckDBPyConnection, key: str, store: Store | None, name: str) -> str:
    """A test for members as published; they are kept in the store, so the trace names the segment instead of SQL."""
    import pyarrow as pa

    if store is None:
        raise NotFoundError("Segments are kept in the store, and none was given.")
    titled(Audience(segment=key), store)
    chunks: list[Any] = []
    after: str | None = None
    while ids := store.segment_members(key, after=after, limit=_BATCH):
        chunks.append(pa.array(ids, pa.string()))
        after = ids[-1]
    connection.register(f"{name}_listed", pa.table({"profile_id": pa.chunked_array(chunks, pa.string())}))
    connection.execute(f"create or replace temp table {name} as select profile_id from {name}_listed")
    connection.unregister(f"{name}_listed")
    return f"p.profile_id in (select profile_id from {name}) /* members of the published segment */"


def channel_of(connection: duckdb.DuckDBPyConnection) -> str:
    """SQL of the channel somebody came through, of a touchpoint `t`."""
    known = has_column(connection, "touchpoints", "acquisition_channel")
    return f"coalesce({'t.acquisition_channel, ' if known else ''}t.channel, 'unknown')"


def _known_channel(connection: duckdb.DuckDBPyConnection, name: str, channel: str) -> str:
    rows = connection.execute(f"select distinct {channel} from marts.touchpoints as t").fetchall()
    known = [row[0] for row in rows]
    if name not in known:
        raise NotFoundError(unknown("channel", name, known))
    return name


def _known_persona(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    if not has_column(connection, "profiles", "persona"):
        raise NotFoundError("There are no personas in what is published: run `cdp run` with models that derive them.")
    rows = connection.execute("select distinct persona from marts.profiles where persona is not null").fetchall()
    known = [str(row[0]) for row in rows]
    if name not in known:
        raise NotFoundError(unknown("persona", name, known))
    return name


def _replaced(base: Audience, **changes: Any) -> Audience:
    return base.model_copy(update=changes)


def _who(text: str | None, since: datetime | None) -> Who | None:
    if text is None:
        return None
    if text not in ("new", "returning"):
        raise InputError(f"`{text[:20]}` is not known: people are new or returning.")
    if since is None:
        raise InputError(f"People are {text} in a period: add one that has a beginning, as in 2025-07-01..2025-12-31.")
    return "new" if text == "new" else "returning"
