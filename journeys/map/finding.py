"""The sharpest finding: the one sentence that a map carries as its title.

Among what was discovered it is the harm that is surest and touches most purchases; without one, an experiment that
worked; without that, the stage from which the smallest share goes on.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from journeys.breaks.search import LEAST_FLOW
from journeys.findings import words as finding_words
from journeys.findings.model import Finding, Findings
from journeys.map.content import Headline, StageColumn
from journeys.map.words import Words, count, percent
from journeys.measures import Measure


def sharpest(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> Headline:
    """The sharpest finding over everybody: its `sentence`, and the `finding` when one passed the tests."""
    from journeys.map.model import build_map

    return build_map(connection, as_of=as_of).headline


def pick(findings: Findings) -> Finding | None:
    """The finding to lead with."""
    found = findings.findings
    harms = [each for each in found if each.kind != "experiment" and each.best is not None and each.best.value > 0]
    experiments = [each for each in found if each.basis == "randomised"]
    return max(harms or experiments, key=_weight, default=None)


def headline(
    findings: Findings, stages: tuple[StageColumn, ...], bottleneck: tuple[str, Measure] | None, lang: str
) -> Headline:
    """The title of a map of these stages, in its language, without a full stop.

    `bottleneck` is a stage with the share of its stays that go on.
    """
    words = Words(lang)
    best = pick(findings)
    if best is not None:
        sentence = finding_words.sentence(best, lang).rstrip(".。")
        return Headline(key=best.key, sentence=sentence, stage=best.stage, finding=best)
    column = next((stage for stage in stages if bottleneck and stage.stage == bottleneck[0]), None)
    if column is not None and bottleneck is not None:
        share, name = bottleneck[1], words.stage(column.stage, column.label)[0]
        sentence = words.title("bottleneck", share=percent(share.value), stage=name, n=count(share.n), least=LEAST_FLOW)
        return Headline(key="bottleneck", sentence=sentence, stage=column.stage, share=share, people=column.reached)
    last = [stage for stage in stages if stage.is_path][-1]
    name = words.stage(last.stage, last.label)[0]
    sentence = words.title("reached", people=count(last.reached.value), stage=name)
    return Headline(key="reached", sentence=sentence, stage=last.stage, people=last.reached)


def _weight(finding: Finding) -> tuple[float, float]:
    """Purchases surely lost (or won), then the sureness of the effect itself over the people it touches."""
    orders = finding.orders
    sure = 0.0 if orders is None else max(-orders.high, orders.low, 0.0)
    return (sure * finding.people, finding.sureness * finding.people)
