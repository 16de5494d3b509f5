"""BG/NBD: how often a customer still buys (Fader, Hardie & Lee 2005, "Counting your customers the easy way").

Data per customer: `frequency` x (repeat purchases), `recency` t_x (time of the last one since the first), `age` T (time
since the first), all in one unit of time. Parameters r, alpha (purchase rate), a, b (drop-out).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BgNbd:
    """A fitted model."""

    r: float
    alpha: float
    a: float
    b: float

    @property
    def logs(self) -> Floats:
        """The parameters on the scale they are fitted on."""
        return np.asarray(np.log([self.r, self.alpha, self.a, self.b]), dtype=np.float64)

    @classmethod
    def of_logs(cls, logs: Floats) -> BgNbd:
        """The model with these logarithms of its parameters."""
        return cls(*(float(value) for value in np.exp(logs)))

    def loss(self, frequency: Floats, recency: Floats, age: Floats) -> float:
        """Minus the log-likelihood of all customers."""
        return -float(_log_likelihood(self, frequency, recency, age).sum())

    def alive(self, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """P(still a customer); 1 for those without a repeat purchase, as the model has it (eq. for P(alive))."""
        x = np.maximum(frequency, 1)
        odds = self.a / (self.b + x - 1) * ((self.alpha + age) / (self.alpha + recency)) ** (self.r + x)
        return np.where(frequency > 0, 1 / (1 + odds), 1.0)

    def expected_purchases(self, horizon: float, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """E[Y(t) | x, t_x, T]: purchases within `horizon` from now (equation 10 of the paper)."""
        from scipy.special import hyp2f1

        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        x = frequency
        hyper = hyp2f1(r + x, b + x, a + b + x - 1, horizon / (alpha + age + horizon))
        shrink = ((alpha + age) / (alpha + age + horizon)) ** (r + x)
        expected = (a + b + x - 1) / (a - 1) * (1 - shrink * hyper)
        return np.asarray(expected * self.alive(frequency, recency, age), dtype=np.float64)


def fit(frequency: Floats, recency: Floats, age: Floats, weights: Floats | None = None) -> BgNbd:
    """Maximum likelihood over the logarithms of the parameters; `weights` counts equal customers together.

    Time is scaled to make the longest age 10 while fitting, so that any unit converges from the same start.
    """
    from scipy.optimize import minimize

    if len(frequency) == 0 or not (frequency > 0).any():
        raise InputError("Lifetime value needs customers who bought more than once; there are none here.")
    if (recency > age).any() or (frequency < 0).any():
        raise InputError("A customer's last purchase lies after the end of the data, or purchases are negative.")
    scale = 10.0 / float(age.max())
    counts = np.ones(len(frequency)) if weights is None else weights
    recent, old = recency * scale, age * scale

    def loss(logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        return -float((counts * _log_likelihood(BgNbd(r, alpha, a, b), frequency, recent, old)).sum() / counts.sum())

    found = minimize(loss, np.log([0.5, 1.0, 0.8, 2.0]), method="Nelder-Mead",
                     options={"maxiter": 4000, "maxfev": 6000, "xatol": 1e-7, "fatol": 1e-11})  # fmt: skip
    found = minimize(loss, found.x, method="L-BFGS-B", bounds=[(-12, 12)] * 4)
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return BgNbd(r, alpha / scale, a, b)


def _log_likelihood(model: BgNbd, x: Floats, recency: Floats, age: Floats) -> Floats:
    """Log of equation (6), with the sum of its two terms taken in logs."""
    from scipy.special import betaln, gammaln

    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    shared = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    alive = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + age)
    repeats = np.maximum(x, 1)
    gone = betaln(a + 1, b + repeats - 1) - betaln(a, b) - (r + x) * np.log(alpha + recency)
    return np.asarray(shared + np.where(x > 0, np.logaddexp(alive, gone), alive), dtype=np.float64)
