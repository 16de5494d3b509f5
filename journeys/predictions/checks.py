"""Whether predictions come true: learn from before a cut, predict at the cut, compare with what then happened.

Calibration is the mean gap between predicted probability and observed share over tenths of the predictions (weighted by
their size), beside predicted mean and observed share with its interval. Small tenths differ by chance alone, so the gap
that perfect predictions would show is given with it. Concordance is Harrell's, by lifelines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journeys import statistics
from journeys.predictions.hazards import HORIZON_DAYS, Model, learn, outcomes, predict
from journeys.predictions.landmarks import KINDS, Rows
from journeys.statistics import Floats

TENTHS = 10
LEAST_CHECKED = 30
ALL = "all"


@dataclass(frozen=True)
class Check:
    """Predicted against observed for one kind of move, in one stage (or `all`), in one tenth (0: all of them).

    `concordance`, `brier` (and `brier_base`, that of predicting the share for everybody), `calibration_error` and
    `chance_error` (what perfect predictions would show) are given for whole checks only.
    """

    kind: str
    stage: str
    tenth: int
    n: int
    events: int
    predicted: float
    observed: float
    low: float
    high: float
    concordance: float | None = None
    brier: float | None = None
    brier_base: float | None = None
    calibration_error: float | None = None
    chance_error: float | None = None


def time_split(rows: Rows, cut_age: int = HORIZON_DAYS) -> tuple[Model, list[Check]]:
    """The model learnt from what was known `cut_age` days ago, and how its predictions for then came out."""
    model = learn(rows, cut_age)
    then = rows.where((rows.age == cut_age) & rows.touched)
    then = then.where(model.group(then) >= 0)
    if len(then) < LEAST_CHECKED:
        return model, []
    day, kind = outcomes(then, cut_age - model.horizon, model.horizon)
    predicted = predict(model, then).at_horizon()
    found = []
    for code, name in enumerate(KINDS):
        origins = np.flatnonzero(model.targets[:, code, :].sum(axis=1) > 0)
        here = np.isin(then.stage, origins)
        if here.sum() >= LEAST_CHECKED:
            found += _checks(name, then, here, predicted=predicted[:, code], day=day, hit=kind == code)
    return model, found


def _checks(
    name: str, rows: Rows, here: NDArray[np.bool_], *, predicted: Floats, day: NDArray[np.int64], hit: NDArray[np.bool_]
) -> list[Check]:
    found = [_whole(name, ALL, predicted[here], day[here], hit[here])]
    for code, stage in enumerate(rows.stages):
        inside = here & (rows.stage == code)
        if inside.sum() >= LEAST_CHECKED:
            found.append(_whole(name, stage, predicted[inside], day[inside], hit[inside]))
    for tenth, members in enumerate(tenths(predicted[here]), start=1):
        found.append(_compared(name, ALL, tenth, predicted[here][members], hit[here][members]))
    return found


def tenths(predicted: Floats) -> list[NDArray[np.int64]]:
    """Indices of the rows of each tenth, from the lowest predictions to the highest."""
    order = np.argsort(predicted, kind="stable")
    return [part for part in np.array_split(order, TENTHS) if len(part)]


def calibration_error(predicted: Floats, hit: NDArray[np.bool_]) -> float:
    """Mean gap between predicted and observed over the tenths, weighted by their size."""
    gaps = [abs(predicted[part].mean() - hit[part].mean()) * len(part) for part in tenths(predicted)]
    return float(sum(gaps) / len(predicted))


def chance_error(predicted: Floats) -> float:
    """The calibration error to be expected when every prediction is exactly right (normal approximation)."""
    spreads = [np.sqrt(2 / np.pi * np.sum(predicted[part] * (1 - predicted[part]))) for part in tenths(predicted)]
    return float(sum(spreads) / len(predicted))


def _whole(name: str, stage: str, predicted: Floats, day: NDArray[np.int64], hit: NDArray[np.bool_]) -> Check:
    compared = _compared(name, stage, 0, predicted, hit)
    share = compared.observed
    return Check(
        **{field: getattr(compared, field) for field in _COMMON},
        concordance=_concordance(predicted, day, hit),
        brier=float(np.mean((predicted - hit) ** 2)),
        brier_base=share * (1 - share),
        calibration_error=calibration_error(predicted, hit),
        chance_error=chance_error(predicted),
    )


_COMMON = ("kind", "stage", "tenth", "n", "events", "predicted", "observed", "low", "high")


def _compared(name: str, stage: str, tenth: int, predicted: Floats, hit: NDArray[np.bool_]) -> Check:
    n, events = len(hit), int(hit.sum())
    low, high = statistics.wilson(events, n)
    return Check(name, stage, tenth, n, events, float(predicted.mean()), events / n, low, high)


def _concordance(predicted: Floats, day: NDArray[np.int64], hit: NDArray[np.bool_]) -> float | None:
    """Probability that of two people the one with the higher prediction moves first; null without a pair to compare.

    People who moved otherwise count as not having moved to the end, as competing moves do.
    """
    from lifelines.utils import concordance_index

    if not hit.any() or hit.all():
        return None
    return float(concordance_index(np.where(hit, day, day.max()), -predicted, hit))
