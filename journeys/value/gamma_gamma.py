"""Gamma-Gamma: how much a customer spends per purchase (Fader & Hardie 2013, "The gamma-gamma model").

Data per customer with at least one repeat purchase: `frequency` x and the `mean` of their values. Parameters p, q, v.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GammaGamma:
    """A fitted model."""

    p: float
    q: float
    v: float

    def expected_value(self, frequency: Floats, mean: Floats) -> Floats:
        """E[M | x, mean]: value per purchase, between the customer's own mean and that of all (equation 5)."""
        p, q, v = self.p, self.q, self.v
        return np.asarray(p * (v + frequency * mean) / (p * frequency + q - 1), dtype=np.float64)


def fit(frequency: Floats, mean: Floats) -> GammaGamma:
    """Maximum likelihood over the logarithms of the parameters; values are scaled by their mean while fitting."""
    from scipy.optimize import minimize
    from scipy.special import gammaln

    kept = (frequency > 0) & (mean > 0)
    if not kept.any():
        raise InputError("Value per purchase needs customers who bought more than once; there are none here.")
    x, scale = frequency[kept], float(mean[kept].mean())
    m = mean[kept] / scale

    def loss(logs: Floats) -> float:
        p, q, v = np.exp(logs)
        px = p * x
        log_likelihood = (
            gammaln(px + q) - gammaln(px) - gammaln(q)
            + q * np.log(v) + (px - 1) * np.log(m) + px * np.log(x) - (px + q) * np.log(x * m + v)
        )  # fmt: skip
        return -float(log_likelihood.mean())

    found = minimize(loss, np.log([2.0, 3.0, 1.0]), method="Nelder-Mead",
                     options={"maxiter": 4000, "maxfev": 6000, "xatol": 1e-7, "fatol": 1e-11})  # fmt: skip
    found = minimize(loss, found.x, method="L-BFGS-B", bounds=[(-12, 12)] * 3)
    p, q, v = (float(value) for value in np.exp(found.x))
    return GammaGamma(p, q, v * scale)
