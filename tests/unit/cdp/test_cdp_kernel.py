"""Settings, ids and the command line's manners."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.cli.app import run
from cdp.cli.state import warn_of_unknown_variables
from cdp.errors import AccessError, ConfigurationError
from cdp.ids import digest, new_profile_id, new_run_id
from cdp.settings import load_settings, tool_environment
from tests.support import certificates


def test_now_needs_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_AS_OF", "2026-01-01T00:00:00")
    with pytest.raises(ConfigurationError, match="CDP_AS_OF"):
        load_settings()


def test_now_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_AS_OF", "2026-01-01T01:00:00+01:00")
    assert load_settings().clock.now() == datetime(2026, 1, 1, tzinfo=UTC)


def test_every_setting_is_in_the_example_and_the_other_way_round() -> None:
    root = Path(__file__).resolve().parents[3]
    named = {
        line.split("=")[0].lstrip("#")
        for line in (root / ".env.example").read_text().splitlines()
        if "=" in line and "CDP_" in line
    }
    from cdp.settings import Settings

    declared = {f"CDP_{name.upper()}" for name in Settings.model_fields}
    assert named == declared


def test_telemetry_of_every_tool_is_off(tmp_path: Path) -> None:
    environment = tool_environment(load_settings(home=tmp_path))
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert environment["SQLMESH__DISABLE_ANONYMIZED_ANALYTICS"] == "true"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"


def test_digest_cannot_be_confused_by_moving_a_boundary() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab", "c") == digest("ab", "c")


def test_ids() -> None:
    assert new_profile_id() != new_profile_id()
    assert len(new_profile_id()) == 36
    assert new_run_id()[8] == "T"


def test_access_errors_know_their_status() -> None:
    assert AccessError("no key", known=False).status == 401
    assert AccessError("no scope", known=True).status == 403


def test_a_missing_folder_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "home"))
    assert run(["run", "--from", str(tmp_path / "missing")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    assert "missing" in printed.err


def test_a_wrong_call_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["identity", "resolve"]) == 2
    assert "--records" in capsys.readouterr().err


def test_a_run_before_any_delivery_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "home"))
    assert run(["run"]) == 1
    assert "cdp run --from DIR" in capsys.readouterr().err


def test_doctor_says_what_it_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "home"))
    assert run(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert {"packages", "sqlglot", "state home", "store"} <= {finding["check"] for finding in findings}
    assert all(finding["ok"] for finding in findings)
    ended = certificates.issue(tmp_path, days=-1)
    monkeypatch.setenv("CDP_OPENDSR_CERTIFICATE", str(ended.certificate))
    monkeypatch.setenv("CDP_OPENDSR_KEY", str(ended.key))
    assert run(["doctor"]) == 1
    assert "not valid today" in capsys.readouterr().out


def test_what_nobody_foresaw_is_one_sentence_without_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def failing(_: object) -> None:
        raise KeyError("jane.doe@example.org")

    monkeypatch.setattr("pipelines.status.read_status", failing)
    monkeypatch.setenv("CDP_HOME", str(tmp_path))
    assert run(["status"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("cdp: This failed unexpectedly (KeyError in failing, line")
    assert len(told.splitlines()) == 1 and "jane" not in told
    monkeypatch.setenv("CDP_LOG_LEVEL", "DEBUG")
    assert run(["status"]) == 1
    assert "jane.doe" in capsys.readouterr().err


def test_a_home_that_is_no_folder_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "file"))
    assert run(["run", "--from", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"cdp: {tmp_path / 'file'}: File exists.\n"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AS_OF", "2026-01-01", "CDP_AS_OF is not usable: it needs a time zone, for example 2026-01-01T00:00:00Z."),
        ("MEMORY_LIMIT", "lots", "CDP_MEMORY_LIMIT is not usable: it does not have the right form, for example `4GB`"),
        ("THREADS", "many", "CDP_THREADS is not usable: it must be a whole number."),
        ("FRESHNESS", "no", "CDP_FRESHNESS is not usable: it must be 'warn' or 'block'."),
    ],
)
def test_a_wrong_setting_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"CDP_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert caught.value.message.startswith(told) and not caught.value.message.endswith("..")


def test_a_mistyped_setting_is_named_once_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CDP_TYPO", "1")
    (tmp_path / ".env").write_text("CDP_MEMRY_LIMIT=2GB\nCDP_LOG_LEVEL=ERROR\n")
    for name in tool_environment(load_settings()):
        if name.startswith("CDP_") and name not in ("CDP_HOME", "CDP_THREADS", "CDP_MEMORY_LIMIT"):
            monkeypatch.setenv(name, "x")
    warn_of_unknown_variables.cache_clear()
    for _ in range(2):
        run(["segment", "list"])
    told = [line for line in capsys.readouterr().err.splitlines() if "is no setting" in line]
    assert told == [
        "cdp: CDP_MEMRY_LIMIT is no setting and is ignored; did you mean CDP_MEMORY_LIMIT?",
        "cdp: CDP_TYPO is no setting and is ignored; see .env.example for those there are.",
    ]
