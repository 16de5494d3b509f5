"""What `cdp status` tells while another process has the warehouse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import status
from tests.unit.pipelines.ingest_delivery import CONTACTS, contact, make_delivery

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_what_is_served_is_told_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = make_delivery(tmp_path)
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    delivery.load()
    before = status.read_status(delivery.settings)
    assert not before["running"] and before["raw"]["sales.contacts"]["raw"] == 1
    monkeypatch.setattr(status, "PATIENCE_SECONDS", 0.1)
    command = [sys.executable, "-c", HOLD, str(delivery.settings.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        meanwhile = status.read_status(delivery.settings)
        other.communicate()
    assert meanwhile == {**before, "running": True, "raw": None, "stage_rules": None, "freshness": None}
