"""Quality without labels: what a broken identity looks like, and what the limits make of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cdp.errors import CheckFailed, ConfigurationError
from identity import evaluation, quality
from identity.quality_limits import SHIPPED, Limit, judge, read_limits
from pipelines.steps import require_identity


def failing(shop, limits=None):
    """The measures that do not hold."""
    verdicts = judge(quality.figures(shop.connection), limits or read_limits())
    return {verdict.measure for verdict in verdicts if not verdict.passed}


def merge_people(shop, records_of, people, per_profile):
    """Let a careless person merge everybody, some at a time."""
    for start in range(0, people, per_profile):
        first = f"sales:c{start:03}"
        for number in range(start, start + per_profile):
            for source, record_id, _ in records_of(number):
                shop.decide("always", first, f"{source}:{record_id}", decision=f"{start}-{source}-{record_id}")


def test_a_healthy_identity_holds_all_limits(shop):
    shop.populate(40)
    shop.resolve()
    assert failing(shop) == set()
    assert set(read_limits()) == set(quality.MEASURES), "every measure has a shipped limit"


def test_profiles_of_many_people_break_the_limits(shop, records_of):
    shop.populate(40)
    shop.resolve()
    merge_people(shop, records_of, 40, 8)
    shop.resolve()
    broken = failing(shop)
    assert {"share_with_many_names", "share_with_two_births"} <= broken
    verdicts = judge(quality.figures(shop.connection), read_limits())
    with pytest.raises(CheckFailed, match=r"Nothing was published.*share_with_many_names is 1 \(at most 0\.002; 5"):
        require_identity(verdicts)


def test_a_limit_that_warns_blocks_nothing(shop):
    shop.populate(10)
    shop.resolve()
    limits = {"largest_profile": Limit(at_most=1, severity="warn")}
    assert failing(shop, limits) == {"largest_profile"}
    require_identity(judge(quality.figures(shop.connection), limits))


def test_a_limit_ignores_what_concerns_few(shop):
    shop.populate(10)
    shop.resolve()
    assert failing(shop, {"largest_profile": Limit(at_most=1, ignore_below=1000)}) == set()


def test_drift_is_against_the_last_run_that_passed(shop, records_of):
    shop.populate(40)
    shop.resolve()
    quality.remember(shop.connection, "run-001", passed=True)
    assert quality.figures(shop.connection)["drift_records_per_profile"].value == 0
    merge_people(shop, records_of, 40, 8)
    shop.resolve()
    drift = quality.figures(shop.connection)["drift_records_per_profile"]
    assert drift.value > 1
    quality.remember(shop.connection, "run-002", passed=False)
    quality.remember(shop.connection, "run-002", passed=False)
    assert shop.rows("select run_id, passed from identity.state_quality order by seq") == [
        ("run-001", True),
        ("run-002", False),
    ]
    assert quality.figures(shop.connection)["drift_records_per_profile"] == drift


def test_an_empty_identity_breaks_nothing(shop):
    shop.resolve()
    assert failing(shop) == set()


def test_evaluation_without_truth_tells_the_limits(shop):
    shop.populate(10)
    shop.resolve()
    told = evaluation.quality_without_truth(shop.connection)
    assert [limit["measure"] for limit in told["limits"]] == list(quality.MEASURES)
    assert {"cluster_sizes", "within_profile", "refused_merges", "last_run"} <= set(told)
    json.dumps(told)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"limits": {"loveliness": {"at_most": 1}}}, "unknown measure loveliness; there are: largest_profile"),
        ({"limits": {"largest_profile": {"at_most": -1}}}, r"wrong at limits\.largest_profile\.at_most"),
        ({"limits": {"largest_profile": {"at_least": 1}}}, r"largest_profile\.at_"),
        ({"limits": {"largest_profile": {"at_most": 1, "severity": "shout"}}}, "severity"),
        ({"version": 2}, "wrong at version"),
    ],
)
def test_wrong_limits_are_told(change, words, tmp_path: Path):
    path = tmp_path / "limits.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(SHIPPED.read_text()), **change}))
    with pytest.raises(ConfigurationError, match=words):
        read_limits(path)


def test_limits_that_are_no_file_or_no_yaml_are_told(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_limits(tmp_path / "none.yaml")
    (tmp_path / "limits.yaml").write_text("limits: [")
    with pytest.raises(ConfigurationError, match="no valid YAML"):
        read_limits(tmp_path / "limits.yaml")
