"""Why somebody's risk is what it is: the largest contributions to the hazard of lapsing, in words.

A contribution is how many times the hazard of the average person in the same stage comes from one fact (the factor);
factors multiply. They describe association: changing the fact need not change the risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from journeys.predictions.covariates import COVARIATES, SILENCE
from journeys.predictions.hazards import Cause, Model, scaled
from journeys.predictions.landmarks import Rows
from journeys.statistics import Floats

if TYPE_CHECKING:
    import pyarrow as pa

MOST_DRIVERS = 3
# Factors nearer to one than this are not worth a word; larger ones than the limit only say "very much".
LEAST_FACTOR = 1.1
MOST_FACTOR = 20.0


@dataclass(frozen=True)
class Contributions:
    """Logarithms of factors per row: (n, 1 + used covariates), the first column is silence."""

    keys: tuple[str, ...]
    logs: Floats


def contributions(model: Model, cause: Cause, rows: Rows, averages: Rows) -> Contributions:
    """Contributions to `cause` for `rows`, against the average of `averages` in the same stage."""
    keys = (SILENCE, *(COVARIATES[index].key for index in cause.used))
    logs = np.zeros((len(rows), len(keys)))
    values, usual = scaled(rows), scaled(averages)
    cumulative = cause.baseline.sum(axis=1)
    own, theirs = cumulative[model.group(rows)], cumulative[model.group(averages)]
    limit = np.log(MOST_FACTOR)
    for stage in np.unique(rows.stage):
        here, among = rows.stage == stage, averages.stage == stage
        if not among.any():
            continue
        mean = float(theirs[among].mean())
        if mean > 0:
            logs[here, 0] = np.log(np.maximum(own[here] / mean, 1 / MOST_FACTOR))
        if cause.used:
            centred = values[here][:, cause.used] - usual[among][:, cause.used].mean(axis=0)
            logs[here, 1:] = centred * cause.coefficients
    return Contributions(keys, np.clip(logs, -limit, limit))


def told(found: Contributions, rows: Rows, allowed: NDArray[np.int64]) -> pa.Array:
    """The largest contributions of each row as a list of {driver, effect, factor, words}.

    `allowed` are the days of silence that each stage allows, by stage.
    """
    import pyarrow as pa

    count = min(MOST_DRIVERS, len(found.keys))
    order = np.argsort(-np.abs(found.logs), axis=1, kind="stable")[:, :count]
    chosen = np.take_along_axis(found.logs, order, axis=1)
    kept = np.abs(chosen) >= np.log(LEAST_FACTOR)
    texts = _texts(found.keys, rows, allowed)
    place = order[kept]
    logs = chosen[kept]
    row = np.nonzero(kept)[0]
    structs = pa.StructArray.from_arrays(
        [
            pa.array(np.asarray(found.keys, dtype=object)[place], pa.string()),
            pa.array(np.where(logs > 0, "raises", "lowers").astype(object), pa.string()),
            pa.array(np.round(np.exp(logs), 2), pa.float64()),
            pa.array(texts[row, place], pa.string()),
        ],
        names=["driver", "effect", "factor", "words"],
    )
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


def _texts(keys: tuple[str, ...], rows: Rows, allowed: NDArray[np.int64]) -> NDArray[Any]:
    """Words for each fact of each row, (n, keys); each different value is worded once."""
    texts = np.empty((len(rows), len(keys)), dtype=object)
    by_key = {one.key: (index, one) for index, one in enumerate(COVARIATES)}
    for column, key in enumerate(keys):
        if key == SILENCE:
            pairs = np.column_stack([np.floor(rows.silence).astype(np.int64), allowed[rows.stage]])
            unique, place = np.unique(pairs, axis=0, return_inverse=True)
            worded = [f"silent for {days:,} of {most:,} days" for days, most in unique]
        else:
            index, covariate = by_key[key]
            values, place = np.unique(rows.x[:, index].astype(np.int64), return_inverse=True)
            worded = [covariate.words(int(value)) for value in values]
        texts[:, column] = np.asarray(worded, dtype=object)[place.reshape(-1)]
    return texts
