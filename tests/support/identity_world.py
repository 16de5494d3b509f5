"""A few people resolved for real, published, and published again after decisions: identity behind an app."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from cdp.store import snapshots
from cdp.store.base import ProfileDocument, Publication, Redirect, Store
from tests.support.publications import NOW
from tests.unit.api.conftest import build_marts
from tests.unit.identity.conftest import Shop, empty_shop


@dataclass
class IdentityWorld:
    """The warehouse of a small shop, and a store in which it is published."""

    shop: Shop
    store: Store
    warehouse: Path
    serving: Path
    # record key → profile, as of the last run
    shop_ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, home: Path, store: Store) -> IdentityWorld:
        """Resolve and publish eight people of four homes, and one whom sales seems to hold twice."""
        home.mkdir(parents=True, exist_ok=True)
        warehouse = home / "warehouse.duckdb"
        connection = _open(warehouse)
        build_marts(connection, 1)
        world = cls(empty_shop(connection), store, warehouse, home / "serving")
        world.shop.log = store.decisions
        world.shop.populate(8)
        world.shop.add("sales", "twin", first_name="Ada", last_name="Abendroth", email="ada.abendroth0@gmail.com")
        world.run()
        return world

    def run(self) -> None:
        """What a pipeline run does about identity: carry out, resolve, publish."""
        self.shop.resolve()
        self.shop_ids = self.shop.ids()
        run_id = f"run-{self.shop.runs}"
        profiles = self.shop.rows("select profile_id, status, merged_into from identity.profiles order by 1")
        self.shop.connection.close()
        file = snapshots.write_snapshot(self.warehouse, self.serving, run_id)
        self.shop.connection = _open(self.warehouse)
        self.store.publish(
            Publication(run_id, file.name, NOW, {}, run_id),
            profiles=[
                ProfileDocument(p, json.dumps({"profile_id": p})) for p, state, _ in profiles if state == "living"
            ],
            identifiers=[],
            redirects=[Redirect(p, state, heir) for p, state, heir in profiles if state != "living"],
            segments=[],
            memberships=[],
        )
        snapshots.point_to(self.serving, file)


def _open(warehouse: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(warehouse), config={"threads": 2, "memory_limit": "1GB"})
