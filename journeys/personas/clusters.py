"""Groups of similar people found without rules: k-means on standardised behaviour, described by what stands out.

Optional and never published: clusters move with the data, rules stay. Same data and seed, same clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from cdp.errors import InputError
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope, traced
from journeys.statistics import Floats

LEAST_PEOPLE = 50
MOST_PEOPLE = 100_000
SEED = 20
STANDS_OUT = 3
# Deviations from the average below this many standard deviations are not worth a word.
LEAST_DEVIATION = 0.3

BEHAVIOUR = """
with {people},
drawn as (
    select p.*
    from marts.profiles as p
    inner join people using (profile_id)
    where p.first_seen_at <= $until
    order by p.first_seen_at, p.profile_id
    limit $most
),
touched as (
    select
        t.profile_id,
        count(distinct t.occurred_at::date) as days,
        count(distinct t.touchpoint_type) as kinds,
        avg((t.channel = 'web')::integer) as web,
        avg((t.channel = 'store')::integer) as store,
        avg((t.channel = 'sales')::integer) as sales
    from marts.touchpoints as t
    inner join drawn using (profile_id)
    where t.is_activity and t.occurred_at <= $until and t.occurred_at >= $since
    group by t.profile_id
)
select
    ln(1 + d.purchases)::double as purchases,
    ln(1 + d.revenue / greatest(d.purchases, 1))::double as spend,
    ln(1 + coalesce(t.days, 0))::double as days,
    coalesce(t.kinds, 0)::double as kinds,
    coalesce(t.web, 0)::double as web,
    coalesce(t.store, 0)::double as store,
    coalesce(t.sales, 0)::double as sales,
    ln(1 + d.tickets)::double as tickets,
    ln(1 + d.emails_clicked)::double as mails,
    ln(1 + d.restarts + d.regressions)::double as turns,
    ln(1 + date_diff('day', d.last_seen_at, $until))::double as silence
from drawn as d
left join touched as t on d.profile_id = t.profile_id
order by all
"""

# What each column says, for more and for less of it than usual.
WORDS = {
    "purchases": ("buy more often", "buy less often"),
    "spend": ("spend more at a time", "spend less at a time"),
    "days": ("come on more days", "come on fewer days"),
    "kinds": ("do more different things", "do fewer different things"),
    "web": ("are more on the web", "are less on the web"),
    "store": ("are more in the store", "are less in the store"),
    "sales": ("deal more with sales", "deal less with sales"),
    "tickets": ("ask support more", "ask support less"),
    "mails": ("click more mails", "click fewer mails"),
    "turns": ("go back and return more", "go back and return less"),
    "silence": ("have been silent for longer", "were seen more recently"),
}


class Cluster(Frozen):
    """One group: its size, and what its people do more or less than everybody (in standard deviations)."""

    number: int
    people: Measure
    description: str
    deviations: dict[str, float]


class Clusters(Frozen):
    """All groups, largest first; `explained` is the share of all variation that lies between them."""

    clusters: tuple[Cluster, ...]
    people: int
    explained: float
    queries: dict[str, Query]


@dataclass(frozen=True)
class _Found:
    labels: np.ndarray[Any, np.dtype[np.int64]]
    centres: Floats


def find(connection: duckdb.DuckDBPyConnection, scope: Scope, count: int = 5) -> Clusters:
    """`count` groups of the people in scope. InputError when there are too few people or groups."""
    if not 2 <= count <= 20:
        raise InputError(f"{count} groups make no sense here; ask for 2 to 20.")
    text = scope.render(BEHAVIOUR)
    values = {**scope.parameters, "most": MOST_PEOPLE}
    table = connection.execute(text, values).fetchnumpy()
    names = tuple(WORDS)
    behaviour = np.column_stack([np.asarray(table[name], dtype=np.float64) for name in names])
    people = len(behaviour)
    if people < max(LEAST_PEOPLE, 10 * count):
        raise InputError(f"{count} groups need at least {max(LEAST_PEOPLE, 10 * count)} people; there are {people}.")
    spread = behaviour.std(axis=0)
    standard = (behaviour - behaviour.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    found = _kmeans(standard, count)
    inside = float(((standard - found.centres[found.labels]) ** 2).sum())
    total = float((standard**2).sum())
    sizes = np.bincount(found.labels, minlength=count)
    order = [group for group in np.argsort(-sizes, kind="stable") if sizes[group]]
    return Clusters(
        clusters=tuple(
            _described(number, int(sizes[group]), people, dict(zip(names, found.centres[group], strict=True)))
            for number, group in enumerate(order, start=1)
        ),
        people=people,
        explained=1 - inside / total if total else 0.0,
        queries={"behaviour": traced(text, values, scope.relation)},
    )


def _kmeans(standard: Floats, count: int) -> _Found:
    """The best of several starts of Lloyd's algorithm (scipy), by the variation left inside the groups."""
    from scipy.cluster.vq import kmeans2

    best: _Found | None = None
    least = np.inf
    for start in range(8):
        generator = np.random.default_rng(SEED + start)
        centres, labels = kmeans2(standard, count, iter=50, minit="++", seed=generator, missing="warn")
        left = float(((standard - centres[labels]) ** 2).sum())
        if left < least - 1e-9:
            best, least = _Found(labels.astype(np.int64), centres), left
    if best is None:
        raise InputError("The people are too much alike to be grouped.")
    return best


def _described(number: int, size: int, people: int, deviations: dict[str, float]) -> Cluster:
    largest = sorted(deviations, key=lambda name: -abs(deviations[name]))[:STANDS_OUT]
    told = [WORDS[name][int(deviations[name] < 0)] for name in largest if abs(deviations[name]) >= LEAST_DEVIATION]
    text = f"They {', '.join(told)} than most." if told else "They are like most people."
    return Cluster(
        number=number,
        people=Measure(value=size, n=people, query="behaviour"),
        description=text,
        deviations={name: round(float(value), 3) for name, value in deviations.items()},
    )
