"""Intervals, tests and corrections: closed formulas over numpy arrays.

No SQL, no data access. Each function names the source of its formula. All intervals are two-sided 95 % unless a `z` is
given; shares are fractions of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054

Floats = NDArray[np.float64]


def wilson(hits: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927). With n = 0 nothing is known: (0, 1)."""
    if n <= 0:
        return 0.0, 1.0
    share = hits / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def difference(hits_a: float, n_a: float, hits_b: float, n_b: float, z: float = Z95) -> tuple[float, float]:
    """Interval of the difference of two independent shares a - b (Newcombe 1998, method 10: hybrid score)."""
    if n_a <= 0 or n_b <= 0:
        return -1.0, 1.0
    a, b = hits_a / n_a, hits_b / n_b
    low_a, high_a = wilson(hits_a, n_a, z)
    low_b, high_b = wilson(hits_b, n_b, z)
    return (
        a - b - math.hypot(a - low_a, high_b - b),
        a - b + math.hypot(high_a - a, b - low_b),
    )


def two_sided_p(estimate: float, error: float) -> float:
    """Probability under a normal test that the estimate is zero; a zero error decides by the estimate alone."""
    if error <= 0 or not math.isfinite(error):
        return 1.0
    return math.erfc(abs(estimate / error) / math.sqrt(2))


def benjamini_hochberg(p_values: list[float]) -> list[float]:
    """Adjusted p values (Benjamini & Hochberg 1995, step-up): compare with the false discovery rate."""
    count = len(p_values)
    if count == 0:
        return []
    order = np.argsort(np.asarray(p_values, dtype=np.float64))
    # One factor: p * n / n may end below p in its last digit.
    scaled = np.asarray(p_values, dtype=np.float64)[order] * (count / np.arange(1, count + 1))
    monotone = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(monotone, 1.0)
    return [float(value) for value in adjusted]


@dataclass(frozen=True)
class Slope:
    """The coefficient of an exposure in a linear model and the larger of its clustered and classical errors."""

    value: float
    error: float
    clusters: int

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - _critical(self.clusters) * self.error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + _critical(self.clusters) * self.error

    @property
    def p_value(self) -> float:
        """Two-sided p value against zero, t distribution with clusters - 1 degrees of freedom."""
        from scipy.special import stdtr

        if self.error <= 0 or not math.isfinite(self.error):
            return 1.0
        return float(2 * stdtr(max(self.clusters - 1, 1), -abs(self.value / self.error)))


def cluster_slope(outcome: Floats, exposed: Floats, covariates: Floats, cluster: NDArray[np.int64]) -> Slope | None:
    """Effect of `exposed` (n,) on `outcome` (n,) beside `covariates` (n, k): least squares, errors clustered.

    Linear probability model with an intercept; sandwich errors by cluster with the small-sample factor
    G/(G-1) * (n-1)/(n-k) (Liang & Zeger 1986; Cameron & Miller 2015). With a handful of outcomes among the exposed the
    sandwich is too small as often as the effect is large, and small p values come several times too often, so the
    classical error is taken where it is larger (Angrist & Pischke 2009, section 8.1). None when the exposure cannot be
    told apart from the covariates or there are fewer than ten clusters.
    """
    n = len(outcome)
    if n == 0:
        return None
    design = np.column_stack([np.ones(n), covariates, exposed])
    gram = design.T @ design
    kept = _independent(gram)
    codes, groups = np.unique(cluster, return_inverse=True)
    clusters = len(codes)
    if clusters < 10 or n <= len(kept) or kept[-1] != len(gram) - 1:
        return None
    design = design[:, kept]
    bread = np.linalg.inv(gram[np.ix_(kept, kept)])
    beta = bread @ (design.T @ outcome)
    residual = outcome - design @ beta
    # Of the sandwich only the corner of the exposure is wanted, and that takes one score per row instead of k.
    sums = np.bincount(groups, weights=residual * (design @ bread[-1]), minlength=clusters)
    free = n - len(kept)
    clustered = float(sums @ sums) * clusters / (clusters - 1) * (n - 1) / free
    classical = float(residual @ residual) / free * float(bread[-1, -1])
    return Slope(float(beta[-1]), math.sqrt(max(clustered, classical)), clusters)


def _independent(gram: Floats) -> list[int]:
    """Indices of columns that add rank, first come first kept: a Cholesky factor of `gram` (k, k) that skips the rest.

    A column is taken for dependent when less than one part in 1e10 of its square is new: far above what rounding leaves
    of a dependent one, and far below what one row among millions adds to a category.
    """
    kept: list[int] = []
    factor = np.zeros_like(gram)
    for index, norm in enumerate(np.diag(gram)):
        done = len(kept)
        row = np.zeros(done)
        for place, earlier in enumerate(kept):
            row[place] = (gram[index, earlier] - factor[place, :place] @ row[:place]) / factor[place, place]
        rest = float(norm - row @ row)
        if rest > 1e-10 * norm:
            factor[done, :done], factor[done, done] = row, math.sqrt(rest)
            kept.append(index)
    return kept


def _critical(clusters: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(clusters - 1, 1), 0.975))
