"""A trainable classifier over hashed character 1- and 2-grams: any language, learnt from the user's own rated tickets.

Logistic regression with 2^16 weights (256 KiB), L2-penalised, fitted with L-BFGS. Works on characters, so it needs no
word list or segmentation. No weights ship with the product: there is nothing to say before there are ratings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError
from journeys.feeling.lexicon import Verdict

BITS = 16
LEAST_RATED = 50
LEAST_OF_EACH = 10
# Scores nearer to zero than this are no verdict.
BAND = 0.2
PENALTY = 1e-3


@dataclass(frozen=True)
class Model:
    """Weights by hashed n-gram, a constant, and what it was learnt from."""

    weights: NDArray[np.float32]
    constant: float
    trained_on: int

    def score(self, texts: list[str]) -> list[Verdict]:
        """Verdicts on texts, in order."""
        if not texts:
            return []
        margins = _features(texts) @ self.weights.astype(np.float64) + self.constant
        scores = np.tanh(margins / 2)
        return [Verdict(None if abs(value) < BAND else float(value)) for value in scores]

    def save(self, path: Path) -> None:
        """Writes the model as one file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft.npz")
        np.savez_compressed(draft, weights=self.weights, constant=self.constant, trained_on=self.trained_on)
        draft.replace(path)


def load(path: Path) -> Model:
    """A saved model; InputError when the file is not one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Model(stored["weights"].astype(np.float32), float(stored["constant"]), int(stored["trained_on"]))
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path} is not a saved model of feeling; train it again.") from None


def train(texts: list[str], good: list[bool]) -> Model:
    """Learns from rated texts. InputError when there are too few, or too few of one kind."""
    from scipy.optimize import minimize

    labels = np.asarray(good, dtype=np.float64)
    fewest = int(min(labels.sum(), len(labels) - labels.sum())) if len(labels) else 0
    if len(texts) < LEAST_RATED or fewest < LEAST_OF_EACH:
        raise InputError(
            f"Learning from ratings needs {LEAST_RATED} rated texts with {LEAST_OF_EACH} of each kind; there are "
            f"{len(texts)}, {fewest} of the rarer kind."
        )
    features = _features(texts)
    signs = 2 * labels - 1
    # Both kinds count the same, so that rare bad ratings are not drowned.
    balance = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (len(labels) - labels.sum()))

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, constant = point[:-1], point[-1]
        margins = signs * (features @ weights + constant)
        pulls = -signs * balance / (1 + np.exp(np.clip(margins, -500, 500)))
        value = float((balance * np.logaddexp(0, -margins)).sum() + PENALTY / 2 * weights @ weights)
        return value, np.append(features.T @ pulls + PENALTY * weights, pulls.sum())

    found = minimize(loss, np.zeros(2**BITS + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return Model(found.x[:-1].astype(np.float32), float(found.x[-1]), len(texts))


def _features(texts: list[str]) -> Any:
    """Rows of texts by columns of hashed n-grams, each row of length one (a scipy CSR matrix)."""
    from scipy.sparse import csr_matrix

    joined = "\n".join(text.lower().replace("\n", " ") for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    breaks = codes == 10
    rows = np.cumsum(breaks)
    single = ~breaks
    pair = single[:-1] & single[1:]
    ones = codes[single] * np.uint64(0x9E3779B97F4A7C15)
    twos = (codes[:-1][pair] * np.uint64(0x100000001B3) + codes[1:][pair]) * np.uint64(0xC2B2AE3D27D4EB4F)
    columns = np.concatenate([ones, twos]) >> np.uint64(64 - BITS)
    where = np.concatenate([rows[single], rows[:-1][pair]])
    matrix = csr_matrix((np.ones(len(columns)), (where, columns.astype(np.int64))), shape=(len(texts), 2**BITS))
    matrix.data = np.log1p(matrix.data)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return matrix.multiply(1 / np.where(lengths > 0, lengths, 1)[:, None]).tocsr()
