"""What a failing step may say: our sentences pass, anything else keeps its message to itself."""

from __future__ import annotations

import dagster as dg
import pytest

from cdp.errors import InputError, ResourceError
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
