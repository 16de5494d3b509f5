"""Whether a page of a segment's members costs the same at the end of a long list as at its beginning.

Publishes one segment of 1,000,000 people to a store of its own, reads all of it through the HTTP interface page by page
(the app in this process, so that no network is measured) and prints the milliseconds of a page at the beginning, in the
middle and at the end as one JSON document; exit code 1 when the promise is missed. Promise: the last pages cost at most
1.5 times the first ones, and every member is seen once.

    python -m benchmarks.segment_pages [--members 1000000] [--limit 1000] [--pages 50] [--url postgresql://…]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from api.app import create_app
from cdp.clock import stopwatch
from cdp.settings import load_settings
from cdp.store import keys, open_store
from cdp.store.base import ProfileDocument, Publication, SegmentRow, Store

KEY = "everyone"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOST_GROWTH = 1.5


def main() -> int:
    """Print the measurement as JSON, and say by the exit code whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--limit", type=int, default=1_000, help="Members on a page.")
    parser.add_argument("--pages", type=int, default=50, help="Pages measured at each place.")
    parser.add_argument("--url", help="An empty store to measure; SQLite in a folder of its own without it.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measure(Path(folder), given.members, given.limit, given.pages, url=given.url))
    print(json.dumps(result, indent=2))
    return int(not result["holds"])


async def measure(folder: Path, members: int, limit: int, pages: int, *, url: str | None) -> dict[str, Any]:
    """Milliseconds per page by place in the list, and their ratios."""
    settings = load_settings(home=folder / "home")
    began = stopwatch()
    with open_store(url or settings.database_url) as store:
        fill(store, members)
        published = stopwatch() - began
        secret = keys.create(store, "benchmark", ["segments:read"])
        app = create_app(settings, store=store)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://benchmark") as client,
        ):
            client.headers["Authorization"] = f"Bearer {secret}"
            found, in_order = await walk(client, limit)
    chosen = min(pages, max(len(found) // 3, 1))
    middle = (len(found) - chosen) // 2
    places = {"first": found[:chosen], "middle": found[middle : middle + chosen], "last": found[-chosen:]}
    costs = {name: median(seconds) * 1_000 for name, seconds in places.items()}
    growth = costs["last"] / costs["first"]
    return {
        "members": members,
        "members_on_a_page": limit,
        "pages": len(found),
        "publish_seconds": round(published, 1),
        "walk_seconds": round(sum(found), 1),
        "milliseconds_per_page": {name: round(cost, 2) for name, cost in costs.items()},
        "last_to_first": round(growth, 3),
        "middle_to_first": round(costs["middle"] / costs["first"], 3),
        "every_member_once": in_order == members,
        "holds": growth <= MOST_GROWTH and in_order == members,
    }


async def walk(client: httpx.AsyncClient, limit: int) -> tuple[list[float], int]:
    """Seconds of each page, the last one left out when it is not full, and how many ids came in rising order."""
    seconds, seen, latest, cursor = [], 0, "", None
    while True:
        asked = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
        begin = stopwatch()
        answer = await client.get(f"/v1/segments/{KEY}/members", params=asked)
        spent = stopwatch() - begin
        answer.raise_for_status()
        page = answer.json()
        for member in page["data"]:
            seen += member["profile_id"] > latest
            latest = member["profile_id"]
        if len(page["data"]) == limit:
            seconds.append(spent)
        cursor = page["next_cursor"]
        if cursor is None:
            return seconds, seen


def fill(store: Store, members: int) -> None:
    """Publish people who are all in one segment."""
    segment = SegmentRow(
        key=KEY, title="Everyone", description="", definition="{}", sentence="everyone", version=1,
        purpose="analytics", size=members, exportable=members, evaluated_at=NOW,
    )  # fmt: skip
    store.publish(
        Publication("benchmark", "none.duckdb", NOW, {"profiles": members}, "benchmark"),
        profiles=(ProfileDocument(one, "{}") for one in ids(members)),
        identifiers=(),
        redirects=(),
        segments=[segment],
        memberships=((KEY, one, True) for one in ids(members)),
    )


def ids(count: int) -> Iterator[str]:
    """Ids of profiles, scattered as random ones are."""
    for number in range(count):
        # An odd factor makes each of the 2^32 values once.
        yield f"{number * 2_654_435_761 % 2**32:08x}-0000-4000-8000-{number:012x}"


if __name__ == "__main__":
    sys.exit(main())
