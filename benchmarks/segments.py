"""How fast a segment preview is: three conditions over 1,000,000 profiles and 10,000,000 events.

Compared in the same run, round by round, with SQL that an analyst would write by hand for the same answer, with hand
SQL for the bare count, and with a plain scan of the events. Ratios are of processor seconds (median over the rounds),
because wall-clock time on a shared machine says little; both are printed. Prints one JSON document.

    python -m benchmarks.segments [--profiles N] [--events N] [--rounds N] [--keep FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import duckdb

from cdp.clock import stopwatch
from segments import catalogue, compiler
from segments.document import parse
from segments.preview import preview

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
WHERE = (
    "trait.country = 'DE' and event('Order Completed').count() >= 2 in 90d and no event('Support Chat Started') in 180d"
)

WORLD = """
CREATE SCHEMA marts;
CREATE TEMP MACRO r(x, n) AS (hash(x) % n)::BIGINT;
CREATE TEMP TABLE people AS
SELECT i, substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || substr(h, 18, 3) || '-'
    || substr(h, 21, 12) AS profile_id
FROM (SELECT i, md5(i::VARCHAR) AS h FROM range({profiles}) AS t(i));
CREATE TABLE marts.profiles AS
SELECT profile_id, 'First' || (i % 5000) AS first_name, 'Last' || (i % 20000) AS last_name,
    CASE WHEN i % 10 < 6 THEN 'person' || i || '@example.org' END AS email,
    CASE WHEN i % 10 < 4 THEN '+49' || (1000000 + i) END AS phone,
    CASE WHEN i % 10 < 5 THEN 'Street ' || (i % 900) END AS street, CASE WHEN i % 10 < 5 THEN '10115' END AS postcode,
    ['DE', 'US', 'FR', 'CN', 'GB', 'IT', 'ES', 'NL'][1 + r(i, 8)] AS country, i % 10 >= 7 AS is_anonymous,
    CASE r(i + 7, 3) WHEN 0 THEN true WHEN 1 THEN false END AS marketing_consent, r(i + 9, 20) = 0 AS unsubscribed,
    r(i + 3, 5) AS purchases, r(i + 4, 100000) / 100.0 AS revenue,
    ['awareness', 'consideration', 'decision', 'use', 'loyalty', 'lapsed'][1 + r(i + 5, 6)] AS current_stage,
    TIMESTAMP '2026-01-01' - to_seconds(r(i + 6, 31536000)) AS stage_since,
    TIMESTAMP '2026-01-01' - to_seconds(r(i + 8, 31536000)) AS last_seen_at
FROM people ORDER BY profile_id;
CREATE TABLE marts.touchpoints AS
SELECT 't' || j AS touchpoint_id, people.profile_id,
    TIMESTAMP '2026-01-01' - to_microseconds(r(j, 63072000000000)) AS occurred_at, 'web' AS source,
    ['web', 'email', 'ads'][1 + r(j + 1, 3)] AS channel, name AS event_name,
    lower(replace(name, ' ', '_')) AS touchpoint_type, NULL::VARCHAR AS stage, 'path' AS lane,
    CASE WHEN name = 'Order Completed' THEN r(j + 2, 20000) / 100.0 END AS amount, 'EUR' AS currency,
    ['mobile', 'desktop'][1 + r(j + 5, 2)] AS device, NULL::VARCHAR AS campaign, 'k' || j AS source_record_key
FROM (
    SELECT j, r(j * 31, {profiles}) AS i,
        CASE WHEN die < 8 THEN 'Order Completed' WHEN die < 12 THEN 'Support Chat Started'
            WHEN die < 30 THEN 'Product Added' WHEN die < 40 THEN 'Cart Viewed' WHEN die < 75 THEN 'Product Viewed'
            ELSE 'Product List Viewed' END AS name
    FROM (SELECT j, r(j + 11, 100) AS die FROM range({events}) AS t(j))
) AS event
JOIN people USING (i)
ORDER BY people.profile_id, occurred_at;
CHECKPOINT
"""

ORDERS = """
SELECT profile_id FROM marts.touchpoints
WHERE event_name = 'Order Completed' AND occurred_at >= TIMESTAMP '2025-10-03' AND occurred_at <= TIMESTAMP '2026-01-01'
GROUP BY profile_id HAVING count(*) >= 2
"""
CHATS = """
SELECT DISTINCT profile_id FROM marts.touchpoints
WHERE event_name = 'Support Chat Started' AND occurred_at >= TIMESTAMP '2025-07-05'
    AND occurred_at <= TIMESTAMP '2026-01-01'
"""
# The same answer as the preview: sizes, reach, drop-off and the sample's ids.
BY_HAND = f"""
WITH o AS ({ORDERS}), s AS ({CHATS}), f AS (
    SELECT p.profile_id, p.email, p.phone, p.street, p.postcode, p.country = 'DE' AS a, o.profile_id IS NOT NULL AS b,
        s.profile_id IS NULL AS c, p.marketing_consent AND NOT p.unsubscribed AS ok
    FROM marts.profiles AS p LEFT JOIN o USING (profile_id) LEFT JOIN s USING (profile_id)
)
SELECT count(*), count(*) FILTER (a AND b AND c), count(*) FILTER (a AND b AND c AND ok),
    count(*) FILTER (a AND b AND c AND ok AND email IS NOT NULL),
    count(*) FILTER (a AND b AND c AND ok AND phone IS NOT NULL),
    count(*) FILTER (a AND b AND c AND ok AND street IS NOT NULL AND postcode IS NOT NULL),
    count(*) FILTER (a), count(*) FILTER (b), count(*) FILTER (a AND b), count(*) FILTER (c),
    min(profile_id, 5) FILTER (a AND b AND c AND ok)
FROM f
"""
COUNT_BY_HAND = f"""
SELECT count(*) FROM marts.profiles
WHERE country = 'DE' AND profile_id IN ({ORDERS}) AND profile_id NOT IN ({CHATS})
"""
SCAN = "SELECT count(*), count(event_name), max(occurred_at), max(profile_id) FROM marts.touchpoints"


def build(path: Path, profiles: int, events: int) -> None:
    """A snapshot of the given size, ordered as the marts are."""
    with duckdb.connect(str(path), config={"threads": 2, "temp_directory": str(path.parent)}) as connection:
        for statement in WORLD.format(profiles=profiles, events=events).split(";\n"):
            connection.execute(statement)


def measure(cases: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Processor and wall-clock seconds of each case, the cases taking turns; one round before does not count."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, run in cases.items():
            processor, wall = process_time(), stopwatch()
            run()
            found[name].append((process_time() - processor, stopwatch() - wall))
    return {
        name: {
            "processor_seconds": round(median(one[0] for one in seconds[1:]), 4),
            "wall_seconds": round(median(one[1] for one in seconds[1:]), 4),
            "best_wall_seconds": round(min(one[1] for one in seconds[1:]), 4),
        }
        for name, seconds in found.items()
    }


def benchmark(path: Path, rounds: int) -> dict[str, Any]:
    """Times and ratios over an existing snapshot; the answers are compared before anything is timed."""
    definition = parse({"key": "measured", "title": "Measured", "where": WHERE})
    with duckdb.connect(str(path), read_only=True, config={"threads": 2}) as connection:
        names = catalogue.read(connection)
        query = compiler.text(compiler.compile(definition, names, as_of=AS_OF))
        shown = preview(connection, definition, as_of=AS_OF, catalogue=names)
        by_hand = connection.execute(BY_HAND).fetchall()[0]
        same = (shown.size, shown.exportable, *shown.reachable.values()) == by_hand[1:6]
        same = same and [row["profile_id"] for row in shown.sample] == by_hand[-1]
        seconds = measure(
            {
                "scan": lambda: connection.execute(SCAN).fetchall(),
                "count_by_hand": lambda: connection.execute(COUNT_BY_HAND).fetchall(),
                "count": lambda: connection.execute(f"SELECT count(*) FROM ({query})").fetchall(),
                "preview_by_hand": lambda: connection.execute(BY_HAND).fetchall(),
                "preview": lambda: preview(connection, definition, as_of=AS_OF, catalogue=names),
                "catalogue": lambda: catalogue.read(connection),
            },
            rounds,
        )
    spent = {name: one["processor_seconds"] for name, one in seconds.items()}
    return {
        "same_answer": same,
        "members": shown.size,
        "seconds": seconds,
        "ratios": {
            "preview_to_hand_written": round(spent["preview"] / spent["preview_by_hand"], 3),
            "count_to_hand_written": round(spent["count"] / spent["count_by_hand"], 3),
            "preview_to_plain_scan": round(spent["preview"] / spent["scan"], 3),
        },
    }


def main() -> None:
    """Build (or reuse) the snapshot, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="Build the snapshot in this file, or reuse it when it is there.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.keep or Path(folder) / "snapshot.duckdb"
        if not path.exists():
            build(path, given.profiles, given.events)
        print(
            json.dumps(
                {"profiles": given.profiles, "events": given.events, "where": WHERE, **benchmark(path, given.rounds)},
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
