"""A delivered folder and a state home of a test, driven through land and load."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdp.engine.duckdb import DuckDBEngine, open_engine
from cdp.settings import Settings, load_settings
from pipelines.ingest import landing, ledger, quarantine
from pipelines.ingest.load import LoadReport, load

NOW = datetime(2026, 1, 1, tzinfo=UTC)

CONTACTS = "Record ID,First Name,Last Name,Email,Phone Number,Create Date"
DEALS = "Record ID,Deal Stage,Amount,Create Date,Close Date,Associated Contact IDs"
TRANSACTIONS = "Transaction ID,Date,Time,Time Zone,Gross Sales,Discounts,Customer Reference ID"


def contact(key: object, name: str = "Ada", mail: str = "", date: str = "2025-01-01T00:00:00Z") -> str:
    return f"{key},{name},Fo,{mail},,{date}"


def event(key: object, **fields: Any) -> dict[str, Any]:
    base = {"type": "track", "messageId": f"m{key}", "anonymousId": "a1", "event": "Cart Viewed"}
    return {**base, "timestamp": "2025-01-01T00:00:00Z", "receivedAt": "2025-01-01T00:00:01Z", **fields}


@dataclass
class Delivery:
    """What a source system would deliver, and the state home it is taken into."""

    folder: Path
    settings: Settings

    @property
    def engine(self) -> DuckDBEngine:
        return open_engine(self.settings)

    def put(self, file: str, content: str | bytes) -> Path:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def put_lines(self, file: str, *lines: str) -> Path:
        return self.put(file, "\n".join(lines) + "\n")

    def put_events(self, file: str, *events: dict[str, Any] | str) -> Path:
        lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
        content = ("\n".join(lines) + "\n").encode()
        return self.put(file, gzip.compress(content, mtime=0) if file.endswith(".gz") else content)

    def land(self) -> list[landing.LandedFile]:
        return landing.land(self.settings, self.folder)

    def load(self, pending: list[landing.LandedFile] | None = None) -> LoadReport:
        return load(self.settings, self.engine, self.land() if pending is None else pending, now=NOW)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.engine.reader() as connection:
            return connection.execute(sql).fetchall()

    def totals(self, name: str) -> tuple[int, int, int, int]:
        """received, raw, duplicates, quarantined; the whole ledger is recounted on the way."""
        with self.engine.reader() as connection:
            ledger.verify(connection)
            found = ledger.totals(connection)[name]
        return found["received"], found["raw"], found["duplicates"], found["quarantined"]

    def quarantined(self) -> list[dict[str, Any]]:
        with self.engine.reader() as connection:
            return quarantine.list_rows(connection)


def make_delivery(tmp_path: Path, **settings: Any) -> Delivery:
    folder = tmp_path / "delivered"
    folder.mkdir(exist_ok=True)
    return Delivery(folder, load_settings(home=tmp_path / "home", as_of=NOW, **settings))
