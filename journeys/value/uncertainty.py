"""How sure fitted values are: draws of the parameters around their optimum, with customers resampled.

Parameters are drawn from the normal approximation of the likelihood on their log scale (covariance = inverse of the
numerically differentiated Hessian of the summed loss); customers get Poisson weights. The middle 95 % of what the draws
give is the interval. It covers not knowing the parameters and having seen these customers, not the luck of single ones.
A direction in which few customers leave the likelihood flat is drawn from widely, not from everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 200
SEED = 20_050_201
_STEP = 1e-3
# Flatter than this counts as this flat: a standard deviation of about three on the log scale, a factor of twenty.
_FLATTEST = 0.1


def draws(loss: Callable[[Floats], float], optimum: Floats, *, rounds: int = DRAWS, seed: int = SEED) -> Floats | None:
    """Parameters (rounds x parameters) around the optimum of a summed loss; None where the loss is not finite there."""
    hessian = _hessian(loss, optimum)
    if not np.isfinite(hessian).all():
        return None
    values, vectors = np.linalg.eigh(hessian)
    spread = vectors / np.sqrt(np.maximum(values, _FLATTEST))
    random = np.random.default_rng(seed)
    return np.asarray(optimum + random.standard_normal((rounds, len(optimum))) @ spread.T, dtype=np.float64)


def weights(customers: int, *, rounds: int = DRAWS, seed: int = SEED + 1) -> Floats:
    """How often each customer counts (rounds x customers); each row sums to the number of customers."""
    counts = np.random.default_rng(seed).poisson(1.0, (rounds, customers)).astype(np.float64)
    return np.asarray(counts * (customers / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)), dtype=np.float64)


def middle(values: list[float]) -> tuple[float, float] | None:
    """The middle 95 % of the finite ones; None when hardly any is."""
    finite = [value for value in values if np.isfinite(value)]
    if len(finite) < 0.9 * len(values):
        return None
    low, high = np.percentile(finite, (2.5, 97.5))
    return float(low), float(high)


def _hessian(loss: Callable[[Floats], float], at: Floats) -> Floats:
    size = len(at)
    steps = np.eye(size) * _STEP
    found = np.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            corners = (
                loss(at + steps[i] + steps[j])
                - loss(at + steps[i] - steps[j])
                - loss(at - steps[i] + steps[j])
                + loss(at - steps[i] - steps[j])
            )
            found[i, j] = found[j, i] = corners / (4 * _STEP**2)
    return found
