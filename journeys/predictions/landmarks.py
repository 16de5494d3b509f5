"""Past moments ("landmarks"), who stood where at each of them, what was known then, and what followed.

One row per person and landmark (van Houwelingen 2007). Only what lies before the landmark describes the person; only
what lies after it is the outcome. Rows come in an order that does not depend on the random ids, so that two homes with
the same data learn exactly the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from journeys.predictions.covariates import ACTIVITY_DAYS, COVARIATES, FAILURES, SERVICE_DAYS
from journeys.scope import naive
from journeys.statistics import Floats

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]

SPACING_DAYS = 30
LANDMARKS = 24
# More people than these say nothing new about a handful of effects; they are drawn by the moment they were first seen.
MOST_PEOPLE = 50_000

KINDS = ("forward", "back", "lapse", "restart")
# Silence is looked at in sixths of what the stage allows, time since a lapse in these steps of days.
BANDS = 6
LAPSED_STEPS = (30.0, 90.0, 180.0, 365.0)

ROWS = """
with moments as (
    select age, $until - to_days(cast(age as integer)) as moment from unnest($ages) as given (age)
),
known as (
    select profile_id, min(entered_at) as first_at from marts.stage_episodes group by profile_id
),
drawn as (
    select profile_id from known
    where $share >= 1 or ('0x' || md5(epoch_us(first_at)::varchar)[:8])::bigint < $share * 4294967296
),
episodes as (
    select
        e.profile_id, e.stage, e.entered_at, e.left_at, s.position, s.is_path, s.lapse_after_days,
        lead(e.stage) over later as next_stage,
        lead(e.move) over later as next_move,
        count(*) filter (e.move = 'restart') over so_far as restarts
    from marts.stage_episodes as e
    inner join drawn using (profile_id)
    inner join marts.journey_stages as s on e.stage = s.stage
    where e.entered_at <= $until
    window
        later as (partition by e.profile_id order by e.episode_number),
        so_far as (partition by e.profile_id order by e.episode_number rows unbounded preceding)
),
standing as (
    select
        m.age, m.moment, e.profile_id, e.stage, e.position, e.is_path, e.lapse_after_days, e.entered_at, e.restarts,
        case when e.left_at <= $until then e.left_at end as left_at,
        case when e.left_at <= $until then e.next_stage end as next_stage,
        case when e.left_at <= $until then e.next_move end as next_move
    from moments as m
    inner join episodes as e on e.entered_at <= m.moment and coalesce(e.left_at, timestamp '9999-12-31') > m.moment
),
marked as (
    select
        t.profile_id, t.occurred_at,
        row_number() over (partition by t.profile_id, t.channel order by t.occurred_at, t.touchpoint_id) = 1 as is_new,
        list_contains($failures, t.touchpoint_type) as is_failure
    from marts.touchpoints as t
    inner join drawn using (profile_id)
    where t.is_activity and t.occurred_at <= $until
),
-- one line of time a person: what happened, and where it is looked at (now, and a while before for what is recent);
-- many times quicker than joining each landmark with what came before it
timeline as (
    select
        profile_id, occurred_at as moment, 'happened' as mark, null as age, 1 as touch, is_new, is_failure,
        0 as purchase
    from marked
    union all
    select p.profile_id, p.occurred_at, 'happened', null, 0, false, false, 1
    from marts.purchases as p
    inner join drawn using (profile_id)
    where p.occurred_at <= $until
    union all
    select profile_id, moment, 'now', age, 0, false, false, 0 from standing
    union all
    select profile_id, moment - to_days($activity_days), 'earlier', age, 0, false, false, 0 from standing
),
counted as (
    select
        profile_id, age, mark,
        sum(touch) over so_far as touches,
        max(case when touch = 1 then moment end) over so_far as touched_at,
        sum(is_new::integer) over so_far as channels,
        sum(is_failure::integer) over so_far as failures,
        sum(purchase) over so_far as purchases
    from timeline
    window so_far as (
        partition by profile_id
        -- what happens at the very moment is still seen
        order by moment, case when mark = 'happened' then 0 else 1 end
        rows unbounded preceding
    )
),
seen as (
    select
        profile_id, age,
        max(touches) filter (mark = 'now') as touches,
        max(touched_at) filter (mark = 'now') as touched_at,
        max(channels) filter (mark = 'now') as channels,
        max(purchases) filter (mark = 'now') as purchases,
        max(touches) filter (mark = 'now') - max(touches) filter (mark = 'earlier') as activity,
        max(failures) filter (mark = 'now') - max(failures) filter (mark = 'earlier') as failures
    from counted
    where mark <> 'happened'
    group by profile_id, age
),
asked as (
    select
        s.profile_id, s.moment,
        count(*) as tickets,
        count(*) filter (k.is_slow and k.slow_at <= s.moment) as slow_tickets,
        count(*) filter (k.satisfaction = 'good' and k.solved_at <= s.moment)
            - count(*) filter (k.satisfaction = 'bad' and k.solved_at <= s.moment) as ratings
    from standing as s
    inner join (
        -- a ticket is known to be slow when it is solved late, or at the latest now
        select *, coalesce(solved_at, $until) as slow_at from marts.tickets where profile_id is not null
    ) as k
        on s.profile_id = k.profile_id
        and k.created_at <= s.moment
        and k.created_at > s.moment - to_days($service_days)
    group by s.profile_id, s.moment
)
select
    s.age::bigint as age,
    s.stage,
    s.is_path,
    coalesce(s.lapse_after_days, 0)::double as allowed,
    s.next_stage,
    s.next_move,
    date_diff('second', s.moment, s.left_at) / 86400.0 as days_left,
    date_diff('second', case when s.is_path then coalesce(v.touched_at, s.entered_at) else s.entered_at end, s.moment)
        / 86400.0 as silence,
    v.touches::double as touches,
    floor(date_diff('second', s.entered_at, s.moment) / 86400.0)::double as days_in_stage,
    v.activity::double as activity,
    v.purchases::double as purchases,
    v.channels::double as channels,
    s.restarts::double as restarts,
    coalesce(k.tickets, 0)::double as tickets,
    coalesce(k.slow_tickets, 0)::double as slow_tickets,
    coalesce(k.ratings, 0)::double as ratings,
    v.failures::double as failures,
    s.profile_id
from standing as s
inner join seen as v on s.profile_id = v.profile_id and s.age = v.age
left join asked as k on s.profile_id = k.profile_id and s.moment = k.moment
order by all
"""


@dataclass(frozen=True)
class Rows:
    """People at landmarks as arrays of equal length n.

    `age`: days from the landmark to now; `stage`: index into `stages`; `band`: step of silence; `x` (n, covariates):
    values as they are; `days_left`: days until the stay ended (infinite when it has not by now); `kind`: index into
    KINDS of the move that ended it, `target`: index into `stages` of the stage it led to (-1 for neither); `person`:
    a number per person; `touched`: whether anything had happened with the person.
    """

    stages: tuple[str, ...]
    age: Ints
    stage: Ints
    band: Ints
    silence: Floats
    x: Floats
    days_left: Floats
    kind: Ints
    target: Ints
    person: Ints
    touched: NDArray[np.bool_]
    profile_id: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.age)

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """The chosen rows."""
        fields = {
            name: getattr(self, name)[chosen]
            for name in ("age", "stage", "band", "silence", "x", "days_left", "kind", "target", "person", "touched",
                         "profile_id")
        }  # fmt: skip
        return Rows(stages=self.stages, **fields)


def past(connection: duckdb.DuckDBPyConnection, as_of: datetime, people: int) -> Rows:
    """Everybody (a sample of very many) at each landmark before now."""
    ages = [SPACING_DAYS * number for number in range(1, LANDMARKS + 1)]
    return _read(connection, as_of, ages, min(1.0, MOST_PEOPLE / max(people, 1)))


def present(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> Rows:
    """Everybody now; nothing is known of what follows."""
    return _read(connection, as_of, [0], 1.0)


def _read(connection: duckdb.DuckDBPyConnection, as_of: datetime, ages: list[int], share: float) -> Rows:
    values: dict[str, Any] = {
        "until": naive(as_of), "ages": ages, "share": share, "failures": list(FAILURES),
        "activity_days": ACTIVITY_DAYS, "service_days": SERVICE_DAYS,
    }  # fmt: skip
    stages = tuple(
        row[0] for row in connection.execute("select stage from marts.journey_stages order by position").fetchall()
    )
    return from_frame(connection.execute(ROWS, values).df(), stages)


def from_frame(frame: pd.DataFrame, stages: tuple[str, ...]) -> Rows:
    """Rows from a frame with the columns of the query."""
    import pandas as pd

    def numbers(name: str) -> Floats:
        return np.asarray(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))

    def coded(name: str, known: dict[str, int]) -> Ints:
        return np.asarray(frame[name].map(known).fillna(-1), dtype=np.int64)

    codes = {stage: code for code, stage in enumerate(stages)}
    kinds = {kind: code for code, kind in enumerate(KINDS)}
    is_path = frame["is_path"].to_numpy(dtype=bool)
    silence = numbers("silence")
    days_left = numbers("days_left")
    return Rows(
        stages=stages,
        age=frame["age"].to_numpy(dtype=np.int64),
        stage=coded("stage", codes),
        band=bands(silence, numbers("allowed"), is_path),
        silence=silence,
        x=np.column_stack([numbers(one.key) for one in COVARIATES]) if len(frame) else np.empty((0, len(COVARIATES))),
        days_left=np.where(np.isnan(days_left), np.inf, days_left),
        kind=coded("next_move", kinds),
        target=coded("next_stage", codes),
        person=np.asarray(pd.factorize(frame["profile_id"])[0], dtype=np.int64),
        touched=numbers("touches") > 0,
        profile_id=frame["profile_id"].to_numpy(dtype=object),
    )


def bands(silence: Floats, allowed: Floats, is_path: NDArray[np.bool_]) -> Ints:
    """Step of silence: sixths of what the stage allows on the path, steps of days since the lapse off it."""
    sixths = np.floor(np.maximum(silence, 0.0) / np.maximum(allowed, 1.0) * BANDS)
    on_path = np.minimum(sixths, BANDS - 1).astype(np.int64)
    return np.where(is_path, on_path, np.digitize(silence, LAPSED_STEPS))
