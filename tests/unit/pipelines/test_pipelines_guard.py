"""What a failing step may say: our sentences pass, anything else keeps its message to itself."""

from __future__ import annotations

import errno
import logging
import sqlite3

import dagster as dg
import pytest

from cdp.errors import DISK_FULL, InputError, ResourceError
from pipelines.guard import guarded
from pipelines.run import _sentence


def test_our_sentence_passes_and_is_not_retried() -> None:
    with pytest.raises(dg.Failure) as caught, guarded("raw"):
        raise InputError("web/events.jsonl is empty; deliver it again.")
    assert caught.value.description == "web/events.jsonl is empty; deliver it again."
    assert not caught.value.allow_retries


def test_running_out_of_something_may_be_retried() -> None:
    with pytest.raises(dg.Failure) as caught, guarded("raw"):
        raise ResourceError("The disk is full.")
    assert caught.value.allow_retries


def test_an_unexpected_error_never_quotes_a_record() -> None:
    with pytest.raises(dg.Failure) as caught, guarded("raw"):
        raise ValueError("could not convert 'jane.doe@example.org' to a number")
    told = str(caught.value.description)
    assert "jane" not in told
    assert "ValueError" in told and "raw" in told


def test_the_command_line_finds_our_sentence_behind_dagsters_error() -> None:
    with pytest.raises(dg.Failure) as caught, guarded("raw"):
        raise InputError("web/events.jsonl is empty; deliver it again.")
    wrapped = RuntimeError("dagster step failed")
    wrapped.__cause__ = caught.value
    assert _sentence(wrapped).message == "web/events.jsonl is empty; deliver it again."


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EFBIG, "File too large"),
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("disk I/O error"),
    ],
    ids=str,
)
def test_a_full_disk_is_told_whoever_noticed_it(error: Exception) -> None:
    with pytest.raises(dg.Failure) as caught, guarded("staging"):
        try:
            raise error
        except Exception as first:
            raise RuntimeError("the event log cannot be written") from first
    assert caught.value.description == DISK_FULL
    assert isinstance(_sentence(error), ResourceError)
    assert _sentence(error).message == DISK_FULL


def test_the_details_are_logged_for_whoever_asks_for_them(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="wayfinder.run"), pytest.raises(dg.Failure), guarded("raw"):
        raise ValueError("the reason")
    assert "the reason" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="wayfinder.run"), pytest.raises(dg.Failure), guarded("raw"):
        raise ValueError("the reason")
    assert caplog.text == ""
