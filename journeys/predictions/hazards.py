"""Competing moves as cause-specific hazards, learnt from landmarks and turned into probabilities.

Each kind of move (forward, back, lapse, restart) has a proportional hazards model of its own, stratified by stage and
step of silence; the others end the stay without it (Prentice et al. 1978). Coefficients come from lifelines' Cox
regression (Efron's ties, a small ridge); baselines are Breslow's over all rows, day by day. Probabilities multiply the
hazard of a move with the probability that no other has happened before (the Aalen-Johansen form), so they sum to one
with the probability of staying. Nothing here reads tables or knows of people.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from journeys.predictions.covariates import COVARIATES
from journeys.predictions.landmarks import KINDS, Ints, Rows
from journeys.statistics import Floats

HORIZON_DAYS = 90
# How often people move drifts with seasons and shop, what moves them does not: baselines come from so many days.
BASELINE_DAYS = 180
# A covariate needs ten events to say anything (Peduzzi et al. 1995); a stratum needs rows to have a baseline.
EVENTS_PER_COVARIATE = 10
LEAST_ROWS = 30
LEAST_SPREAD = 0.02
RIDGE = 0.01
# Enough for a handful of coefficients; the rows are drawn evenly along their order.
MOST_ROWS = 6_000
# Coefficients do not depend on single days, and coarse steps make many ties that are quick to count.
STEP_DAYS = 5


@dataclass(frozen=True)
class Cause:
    """The hazard of one kind of move: covariates used, their means and coefficients, and daily baselines.

    `baseline` has one row per group of `groups`, one column per day 0 to the horizon; `events` and `people` say what it
    was learnt from.
    """

    kind: int
    used: tuple[int, ...]
    means: Floats
    coefficients: Floats
    baseline: Floats
    rows: int
    events: int
    people: int

    def relative(self, rows: Rows) -> Floats:
        """How many times the baseline each row's hazard is."""
        if not self.used:
            return np.ones(len(rows))
        return np.exp((scaled(rows)[:, self.used] - self.means) @ self.coefficients)


@dataclass(frozen=True)
class Model:
    """All causes, the groups of strata they share (stage, band → group), and where each kind leads from each stage."""

    stages: tuple[str, ...]
    groups: NDArray[np.int64]
    causes: tuple[Cause, ...]
    targets: Floats
    known_people: Ints
    horizon: int = HORIZON_DAYS

    def group(self, rows: Rows) -> Ints:
        """The group of each row; -1 where the stage has too few rows for any."""
        return self.groups[rows.stage, rows.band]


@dataclass(frozen=True)
class Probabilities:
    """For each row the probability of each kind by day, (n, kinds, days 0..horizon), and of staying to the end (n,)."""

    incidence: Floats
    stay: Floats

    def at_horizon(self) -> Floats:
        """The probability of each kind within the horizon, (n, kinds)."""
        return self.incidence[:, :, -1]


def scaled(rows: Rows) -> Floats:
    """The covariates as the model uses them."""
    if not len(rows):
        return rows.x
    return np.column_stack([one.scaled(rows.x[:, index]) for index, one in enumerate(COVARIATES)])


def outcomes(rows: Rows, until_age: int, horizon: int = HORIZON_DAYS) -> tuple[Ints, Ints]:
    """Day (1 to the horizon) and kind of what happened after each landmark, as known `until_age` days before now.

    The kind is -1 where nothing happened until the horizon or until what was known; the day is then the last one seen.
    """
    seen = np.minimum(rows.age - until_age, horizon)
    day = np.maximum(np.ceil(rows.days_left), 1.0)
    happened = (day <= seen) & (rows.kind >= 0)
    return np.where(happened, day, seen).astype(np.int64), np.where(happened, rows.kind, -1)


def learn(rows: Rows, until_age: int = 0, *, taught: Model | None = None, horizon: int = HORIZON_DAYS) -> Model:
    """The model of what followed landmarks, as known `until_age` days before now.

    Coefficients come from all landmarks, baselines from those of the last BASELINE_DAYS before that. With `taught`, its
    coefficients are kept and only the baselines are learnt again.
    """
    usable = rows.where((rows.age > until_age) & rows.touched)
    recent = usable.where(usable.age <= until_age + BASELINE_DAYS)
    groups, people = _grouped(recent)
    count = int(groups.max(initial=-1)) + 1
    day, kind = outcomes(usable, until_age, horizon)
    recent_day, recent_kind = outcomes(recent, until_age, horizon)
    group, recent_group = groups[usable.stage, usable.band], groups[recent.stage, recent.band]
    values = scaled(usable)
    causes = []
    for code in range(len(KINDS)):
        happened = (kind == code) & (group >= 0)
        at_risk = np.isin(usable.stage, np.unique(usable.stage[happened])) & (group >= 0)
        if taught is not None:
            cause = taught.causes[code]
        else:
            cause = _taught(code, values, day, happened, group=group, at_risk=at_risk)
        baseline = _breslow(
            recent_day, recent_kind == code, recent_group, cause.relative(recent), groups=count, horizon=horizon
        )
        people_moved = len(np.unique(usable.person[happened]))
        causes.append(
            replace(cause, baseline=baseline, rows=int(at_risk.sum()), events=int(happened.sum()), people=people_moved)
        )
    return Model(usable.stages, groups, tuple(causes), _targets(usable, kind), people, horizon)


def predict(model: Model, rows: Rows) -> Probabilities:
    """What may happen to each row within the horizon; rows without a group get nan."""
    group = model.group(rows)
    hazards = np.stack(
        [cause.baseline[group] * cause.relative(rows)[:, None] for cause in model.causes], axis=1
    )  # (n, kinds, days)
    total = hazards.sum(axis=1)
    after = np.exp(-np.cumsum(total, axis=1))
    before = np.concatenate([np.ones((len(rows), 1)), after[:, :-1]], axis=1)
    leaving = np.where(total > 0, -np.expm1(-total) / np.maximum(total, 1e-300), 0.0)
    incidence = np.cumsum(hazards * (before * leaving)[:, None, :], axis=2)
    unknown = group < 0
    incidence[unknown], stay = np.nan, after[:, -1].copy()
    stay[unknown] = np.nan
    return Probabilities(incidence, stay)


def _grouped(rows: Rows) -> tuple[NDArray[np.int64], Ints]:
    """Groups of neighbouring bands with enough rows, and how many people were seen in each stage.

    A stage in which fewer than LEAST_ROWS people were ever seen has no group.
    """
    bands = int(rows.band.max(initial=0)) + 1
    groups = np.full((len(rows.stages), max(bands, 8)), -1, dtype=np.int64)
    people = np.zeros(len(rows.stages), dtype=np.int64)
    following = 0
    for stage in range(len(rows.stages)):
        here = rows.stage == stage
        people[stage] = len(np.unique(rows.person[here]))
        if people[stage] < LEAST_ROWS:
            continue
        counts = np.bincount(rows.band[here], minlength=groups.shape[1])
        cuts = _cuts(counts)
        groups[stage] = following + cuts
        following += int(cuts.max()) + 1
    return groups, people


def _cuts(counts: Ints) -> Ints:
    """Number of the group of each band: bands are joined with the next ones until a group has enough rows."""
    found = np.zeros(len(counts), dtype=np.int64)
    current, filled = 0, 0
    for band, count in enumerate(counts):
        if filled >= LEAST_ROWS and counts[band:].sum() >= LEAST_ROWS:
            current, filled = current + 1, 0
        found[band] = current
        filled += int(count)
    return found


def _taught(
    code: int, values: Floats, day: Ints, happened: NDArray[np.bool_], *, group: Ints, at_risk: NDArray[np.bool_]
) -> Cause:
    """Coefficients of one cause; none where there are too few events for any."""
    events = int(happened.sum())
    empty = Cause(code, (), np.empty(0), np.empty(0), np.empty((0, 0)), int(at_risk.sum()), events, 0)
    # Strata without an event say nothing about coefficients.
    telling = at_risk & np.isin(group, np.unique(group[happened]))
    chosen = np.flatnonzero(telling)
    order = np.lexsort((*values[chosen].T, day[chosen], happened[chosen], group[chosen]))
    chosen = chosen[order]
    if len(chosen) > MOST_ROWS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_ROWS).astype(np.int64)]
    sample, hits = values[chosen], happened[chosen]
    varying = [
        index for index in range(values.shape[1])
        if len(sample) and sample[:, index].std() > LEAST_SPREAD and sample[hits, index].std() > LEAST_SPREAD
    ]  # fmt: skip
    used = tuple(varying[: int(hits.sum()) // EVENTS_PER_COVARIATE])
    if not used:
        return empty
    means = values[at_risk][:, used].mean(axis=0)
    coefficients = _cox(sample[:, used] - means, np.ceil(day[chosen] / STEP_DAYS), hits, group[chosen])
    return empty if coefficients is None else replace(empty, used=used, means=means, coefficients=coefficients)


def _cox(values: Floats, steps: Floats, hits: NDArray[np.bool_], strata: Ints) -> Floats | None:
    """Coefficients of a stratified Cox regression; None when it does not converge."""
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    names = [f"x{index}" for index in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=names).assign(steps=steps, hit=hits.astype(int), stratum=strata)
    fitter = CoxPHFitter(penalizer=RIDGE)
    try:
        with warnings.catch_warnings():
            # Its warnings quote columns and advise on plots; what matters here is whether it converges.
            warnings.simplefilter("ignore")
            fitter.fit(frame, "steps", "hit", strata=["stratum"], batch_mode=True)
    except ConvergenceError:
        return None
    found = fitter.params_.reindex(names).to_numpy(dtype=np.float64)
    return found if np.isfinite(found).all() else None


def _breslow(
    day: Ints, happened: NDArray[np.bool_], group: Ints, relative: Floats, *, groups: int, horizon: int
) -> Floats:
    """Daily baseline hazard per group, (groups + 1, days 0..horizon): events over what is at risk (Breslow 1974).

    The last row is zero, so that group -1 has no hazard.
    """
    known = group >= 0
    days = horizon + 1
    place = group[known] * days + day[known]
    events = np.bincount(place, weights=happened[known].astype(float), minlength=groups * days).reshape(groups, days)
    leaving = np.bincount(place, weights=relative[known], minlength=groups * days).reshape(groups, days)
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1]
    hazard = np.where(at_risk > 0, events / np.maximum(at_risk, 1e-300), 0.0)
    return np.vstack([hazard, np.zeros((1, days))])


def _targets(rows: Rows, kind: Ints) -> Floats:
    """Where a kind of move led from each stage, as shares, (stages, kinds, stages); zero when it never happened."""
    count = len(rows.stages)
    found = np.zeros((count, len(KINDS), count))
    moved = (kind >= 0) & (rows.target >= 0)
    np.add.at(found, (rows.stage[moved], kind[moved], rows.target[moved]), 1.0)
    total = found.sum(axis=2, keepdims=True)
    return np.where(total > 0, found / np.maximum(total, 1.0), 0.0)
