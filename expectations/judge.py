"""Great Expectations itself: one ephemeral context per process, pandas frames in, failing row indexes out.

The result format lists failing values, because that is the only one that lists row indexes; they are dropped here and
nothing is stored. Progress bars and usage statistics are off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cdp.errors import CheckFailed
from expectations.suite import Rule, Suite

if TYPE_CHECKING:
    import pandas as pd

_RESULT = {"result_format": "COMPLETE", "return_unexpected_index_query": False, "include_unexpected_rows": False}


@dataclass(frozen=True)
class Verdict:
    """What one rule found: indexes of failing rows, in frame order."""

    rule: Rule
    failing: list[int]


def judge(suite: Suite, frame: pd.DataFrame, now: datetime) -> list[Verdict]:
    """One verdict per rule, in the suite's order. The frame's index labels are the row indexes.

    Raises CheckFailed naming suite and rule when Great Expectations could not evaluate it.
    """
    if frame.empty:
        return [Verdict(rule, []) for rule in suite.rules]
    import great_expectations as gx

    batch = _batches().get_batch(batch_parameters={"dataframe": frame.rename_axis(None)})
    expectations = gx.ExpectationSuite(
        name=suite.name, expectations=[_expectation(gx, number, rule, now) for number, rule in enumerate(suite.rules)]
    )
    result = batch.validate(expectations, result_format=_RESULT)
    return sorted((_verdict(suite, one) for one in result.results), key=lambda verdict: suite.rules.index(verdict.rule))


def _expectation(gx: Any, number: int, rule: Rule, now: datetime) -> Any:
    name = "".join(part.capitalize() for part in rule.expectation.split("_"))
    return getattr(gx.expectations, name)(**rule.resolved(now), meta={"rule": number})


def _verdict(suite: Suite, one: Any) -> Verdict:
    rule = suite.rules[one.expectation_config.meta["rule"]]
    if one.success:
        return Verdict(rule, [])
    failing = one.result.get("unexpected_index_list")
    if failing is None:
        raise CheckFailed(f"Suite {suite.name}: {rule.expectation} on {rule.column} could not be evaluated.")
    return Verdict(rule, [int(index) for index in failing])


@lru_cache(maxsize=1)
def _batches() -> Any:
    """The batch definition every frame goes through; building it costs a second, so it is kept."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(project_config=config, mode="ephemeral")
    asset = context.data_sources.add_pandas("batches").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")
