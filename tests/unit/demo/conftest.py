"""A demo world of a few hundred people, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.generate import DemoReport, generate

PEOPLE = 400


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory: pytest.TempPathFactory) -> DemoReport:
    return generate("small", seed=7, out=tmp_path_factory.mktemp("demo") / "world", people=PEOPLE)


@pytest.fixture(scope="session")
def demo_world(demo_report: DemoReport) -> Path:
    return demo_report.out
