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

    @property
    def logs(self) -> Floats:
        """The parameters on the scale they are fitted on."""
        return np.asarray(np.log([self.p, self.q, self.v]), dtype=np.float64)

    @classmethod
    def of_logs(cls, logs: Floats) -> GammaGamma:
        """The model with these logarithms of its parameters."""
        return cls(*(float(value) for value in np.exp(logs)))

    def loss(self, frequency: Floats, mean: Floats) -> float:
        """Minus the log-likelihood of the customers who bought again."""
        kept = (frequency > 0) & (mean > 0)
        return -float(_log_likelihood(self, frequency[kept], mean[kept]).sum())

    def expected_value(self, frequency: Floats, mean: Floats) -> Floats:
        """E[M | x, mean]: value per purchase, between the customer's own mean and that of all (equation 5)."""
        p, q, v = self.p, self.q, self.v
        return np.asarray(p * (v + frequency * mean) / (p * frequency + q - 1), dtype=np.float64)


def fit(frequency: Floats, mean: Floats) -> GammaGamma:
    """Maximum likelihood over the logarithms of the parameters; values are scaled by their mean while fitting."""
    from scipy.optimize import minimize

    kept = (frequency > 0) & (mean > 0)
    if not kept.any():
        raise InputError("Value per purchase needs customers who bought more than once; there are none here.")
    x, scale = frequency[kept], float(mean[kept].mean())
    m = mean[kept] / scale

    def loss(logs: Floats) -> float:
        return -float(_log_likelihood(GammaGamma.of_logs(logs), x, m).mean())

    found = minimize(loss, np.log([2.0, 3.0, 1.0]), method="Nelder-Mead",
                     options={"maxiter": 4000, "maxfev": 6000, "xatol": 1e-7, "fatol": 1e-11})  # fmt: skip
    found = minimize(loss, found.x, method="L-BFGS-B", bounds=[(-12, 12)] * 3)
    p, q, v = (float(value) for value in np.exp(found.x))
    return GammaGamma(p, q, v * scale)


def _log_likelihood(model: GammaGamma, x: Floats, mean: Floats) -> Floats:
    """Log of equation (1a): x repeat purchases of this mean value."""
    from scipy.special import gammaln

    p, q, v = model.p, model.q, model.v
    px = p * x
    return np.asarray(
        gammaln(px + q) - gammaln(px) - gammaln(q)
        + q * np.log(v) + (px - 1) * np.log(mean) + px * np.log(x) - (px + q) * np.log(x * mean + v),
        dtype=np.float64,
    )  # fmt: skip
