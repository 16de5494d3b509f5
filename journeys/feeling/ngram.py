"""A trainable classifier over hashed character 1- to 3-grams: any language, learnt from the user's own rated texts.

Logistic regression with 2^16 weights, L2-penalised, fitted with L-BFGS from zero, so that the same texts give the same
weights. It knows what it does not know: scores are calibrated on texts it had not seen, and it keeps silent in a
language it did not learn, on a text whose letters are new to it, and wherever it was not right often enough. No weights
ship with the product: there is nothing to say before there are ratings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError
from journeys import statistics
from journeys.feeling.languages import language
from journeys.feeling.lexicon import Verdict

BITS = 16
LEAST_RATED = 50
LEAST_OF_EACH = 10
FOLDS = 5
PENALTY = 1e-3
# How often a verdict on an unseen text must be right, both kinds counting the same, before any is given.
RIGHT = 0.7
BANDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Share of a text's n-grams that must have occurred in training.
FAMILIAR = 0.5
# Verdicts on unseen texts that a language must have had, and it must surely be better than a coin.
LEAST_SPOKEN = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """What happened on texts that were not trained on: rated texts, verdicts given, and how many of them were right."""

    texts: int
    spoken: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """Share of verdicts that were right."""
        return self.right / self.spoken if self.spoken else None

    @property
    def trusted(self) -> bool:
        """Whether verdicts are surely better than a coin."""
        return self.spoken >= LEAST_SPOKEN and statistics.wilson(self.right, self.spoken)[0] > 0.5


@dataclass(frozen=True)
class Model:
    """Weights by hashed n-gram, a constant, and how the result is read.

    `slope` and `offset` turn a margin into the log odds that held on unseen texts; scores nearer to zero than `band`
    are no verdict (null: none ever is). `checks` tells per language how it did.
    """

    weights: NDArray[np.float32]
    constant: float
    trained_on: int
    slope: float
    offset: float
    band: float | None
    checks: dict[str, Check]
    version: str = ""

    def score(self, texts: list[str]) -> list[Verdict]:
        """Verdicts on texts, in order."""
        if not texts:
            return []
        features = _features(texts)
        scores = np.tanh((self.slope * self._margins(features) + self.offset) / 2)
        return [
            self._verdict(value, language(text), known)
            for value, text, known in zip(scores, texts, self._familiar(features), strict=True)
        ]

    def _margins(self, features: Any) -> Floats:
        return np.asarray(features @ self.weights.astype(np.float64) + self.constant)

    def _familiar(self, features: Any) -> Floats:
        """Share of each text's n-grams that occurred in training; a weight that never moved belongs to a new one."""
        present = features.copy()
        present.data = np.ones_like(present.data)
        known = present @ (self.weights != 0).astype(np.float64)
        return np.asarray(known / np.maximum(np.asarray(present.sum(axis=1)).ravel(), 1))

    def _verdict(self, score: float, spoken: str, familiar: float) -> Verdict:
        check = self.checks.get(spoken)
        trusted = check is not None and check.trusted and familiar >= FAMILIAR
        sure = self.band is not None and abs(score) >= self.band
        return Verdict(float(score) if trusted and sure else None)


def train(texts: list[str], good: list[bool], *, version: str = "") -> Model:
    """Learns from rated texts. InputError when there are too few, or too few of one kind."""
    labels = np.asarray(good, dtype=np.float64)
    fewest = int(min(labels.sum(), len(labels) - labels.sum())) if len(labels) else 0
    if len(texts) < LEAST_RATED or fewest < LEAST_OF_EACH:
        raise InputError(
            f"Learning from ratings needs {LEAST_RATED} rated texts with {LEAST_OF_EACH} of each kind; there are "
            f"{len(texts)}, {fewest} of the rarer kind."
        )
    features = _features(texts)
    unseen = _cross_validated(features, texts, labels)
    slope, offset = _calibrated(unseen, labels)
    scores = np.tanh((slope * unseen + offset) / 2)
    band = next((band for band in BANDS if _balanced(scores, labels, band) >= RIGHT), None)
    weights, constant = _fit(features, labels)
    checks = _checks(texts, scores, labels, band)
    return Model(weights.astype(np.float32), constant, len(texts), slope, offset, band, checks, version)


def _fit(features: Any, labels: Floats) -> tuple[Floats, float]:
    """Weights by column (2^16) and the constant. Columns that no text has keep the weight they start with: zero."""
    from scipy.optimize import minimize

    columns = np.unique(features.indices)
    active = features[:, columns].tocsr()
    turned = active.T.tocsr()
    signs = 2 * labels - 1
    # Both kinds count the same, so that rare bad ratings are not drowned.
    balance = _weights(labels)

    def loss(point: Floats) -> tuple[float, Floats]:
        weights, constant = point[:-1], point[-1]
        margins = signs * (active @ weights + constant)
        pulls = -signs * balance / (1 + np.exp(np.clip(margins, -500, 500)))
        value = float((balance * np.logaddexp(0, -margins)).sum() + PENALTY / 2 * weights @ weights)
        return value, np.append(turned @ pulls + PENALTY * weights, pulls.sum())

    found = minimize(loss, np.zeros(len(columns) + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    weights = np.zeros(2**BITS)
    weights[columns] = found.x[:-1]
    return weights, float(found.x[-1])


def _weights(labels: Floats) -> Floats:
    each = np.array([0.5 / max(len(labels) - labels.sum(), 1.0), 0.5 / max(labels.sum(), 1.0)])
    return np.asarray(each[labels.astype(np.int64)])


def _cross_validated(features: Any, texts: list[str], labels: Floats) -> Floats:
    """The margin of each text by a model that has seen neither it nor the same words elsewhere."""
    order = {text: index for index, text in enumerate(sorted(set(texts)))}
    fold = np.array([order[text] % FOLDS for text in texts])
    margins = np.zeros(len(texts))
    for each in range(FOLDS):
        here, others = fold == each, fold != each
        if here.any() and 0 < labels[others].sum() < others.sum():
            weights, constant = _fit(features[others], labels[others])
            margins[here] = features[here] @ weights + constant
    return margins


def _calibrated(margins: Floats, labels: Floats) -> tuple[float, float]:
    """Slope (never below zero) and offset of the log odds over margins (Platt 1999), both kinds counting the same."""
    from scipy.optimize import minimize

    signs, balance = 2 * labels - 1, _weights(labels)

    def loss(point: Floats) -> float:
        return float((balance * np.logaddexp(0, -signs * (point[0] * margins + point[1]))).sum())

    found = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0, 20), (-20, 20)])
    return float(found.x[0]), float(found.x[1])


def _balanced(scores: Floats, labels: Floats, band: float) -> float:
    """Share of right verdicts beyond the band, the mean of both kinds; 0 when a kind has too few verdicts."""
    spoken = np.abs(scores) >= band
    rates = []
    for kind in (0, 1):
        mine = spoken & (labels == kind)
        if mine.sum() < LEAST_OF_EACH:
            return 0.0
        rates.append(float(((scores[mine] > 0) == (kind == 1)).mean()))
    return sum(rates) / 2


def _checks(texts: list[str], scores: Floats, labels: Floats, band: float | None) -> dict[str, Check]:
    languages = np.array([language(text) for text in texts])
    spoken = np.abs(scores) >= band if band is not None else np.zeros(len(texts), dtype=np.bool_)
    right = spoken & ((scores > 0) == (labels == 1))
    return {
        str(name): Check(int(mine.sum()), int(spoken[mine].sum()), int(right[mine].sum()))
        for name in sorted(set(languages))
        for mine in (languages == name,)
    }


def _features(texts: list[str]) -> Any:
    """Rows of texts by columns of hashed n-grams, each row of length one (a scipy CSR matrix)."""
    from scipy.sparse import csr_matrix

    joined = "\n".join(text.lower().replace("\n", " ") for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    breaks = codes == 10
    rows = np.cumsum(breaks)
    hashed, where = [], []
    for length, prime in ((1, 0x9E3779B97F4A7C15), (2, 0xC2B2AE3D27D4EB4F), (3, 0x165667B19E3779F9)):
        size = max(len(codes) - length + 1, 0)
        inside = np.ones(size, dtype=np.bool_)
        mixed = np.zeros(size, dtype=np.uint64)
        for offset in range(length):
            part = slice(offset, offset + size)
            inside &= ~breaks[part]
            mixed = mixed * np.uint64(0x100000001B3) + codes[part]
        hashed.append((mixed[inside] * np.uint64(prime)) >> np.uint64(64 - BITS))
        where.append(rows[:size][inside])
    columns, at = np.concatenate(hashed).astype(np.int64), np.concatenate(where)
    matrix = csr_matrix((np.ones(len(columns)), (at, columns)), shape=(len(texts), 2**BITS))
    matrix.data = np.log1p(matrix.data)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return matrix.multiply(1 / np.where(lengths > 0, lengths, 1)[:, None]).tocsr()
