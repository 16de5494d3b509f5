"""The reference world: exactly its known bad rows end in quarantine (two months of web events stand for all)."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

from tests.unit.pipelines.ingest_delivery import make_delivery

MONTHS = ("2023-12", "2025-12")


def test_exactly_the_bad_rows_of_the_reference_world(world: Path, tmp_path: Path) -> None:
    delivery = make_delivery(tmp_path)
    for source in ("sales", "support", "pos", "marketing"):
        shutil.copytree(world / source, delivery.folder / source)
    for month in MONTHS:
        file = f"web/events-{month}.jsonl.gz"
        delivery.put(file, (world / file).read_bytes())
    delivery.load()
    with (world / "truth" / "bad_rows.csv").open(newline="") as handle:
        truth = [(row["problem"].split(":")[0], row["record_id"] or None) for row in csv.DictReader(handle)]
    expected = Counter(one for one in truth if not one[0].startswith("web/") or any(m in one[0] for m in MONTHS))
    assert Counter((row["file"], row["record_id"]) for row in delivery.quarantined()) == expected
    assert sum(expected.values()) == 36 + 2 * len(MONTHS)
    for entity in ("contacts", "deals"):
        received, raw, duplicates, quarantined = delivery.totals(f"sales.{entity}")
        assert received == raw + duplicates + quarantined
    assert delivery.totals("pos.customers") == (4093, 4093, 0, 0)
    assert delivery.totals("marketing.experiments") == (3987, 3987, 0, 0)
