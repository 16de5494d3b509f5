"""The learnt model between questions: one file in the state home, valid as long as the rated texts are the same.

The version is a fingerprint of what was learnt from, so that a model never outlives the tickets behind it: when ratings
come, change or are erased, the next question learns anew and the old file goes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np

from cdp.errors import InputError
from journeys.feeling import ngram
from journeys.scope import Scope

# Raised whenever features or fitting change, so that kept models are learnt anew.
FORMAT = 1

RATED = """
select k.description as text, k.satisfaction = 'good' as good
from marts.tickets as k
where k.satisfaction is not null and k.description is not null and k.created_at <= $until
order by k.ticket_id
"""


@dataclass(frozen=True)
class Learnt:
    """The model; without one the reason why."""

    model: ngram.Model | None
    reason: str | None


def learn(connection: duckdb.DuckDBPyConnection, scope: Scope, folder: Path | None = None) -> Learnt:
    """The model of all rated tickets up to the scope's end: from `folder` when it is kept there, else trained and kept.

    Learns from descriptions, because those are what it reads: comments that come with a rating are another kind of
    text, and what was learnt from them takes every plain question for a complaint.
    """
    rows, _ = scope.fetch(connection, RATED)
    texts, good = [str(row["text"]) for row in rows], [bool(row["good"]) for row in rows]
    try:
        return Learnt(_kept(texts, good, folder), None)
    except InputError as error:
        return Learnt(None, error.message)


def _kept(texts: list[str], good: list[bool], folder: Path | None) -> ngram.Model:
    version = fingerprint(texts, good)
    file = folder / f"feeling-{version}.npz" if folder is not None else None
    if file is not None and file.exists():
        return load(file)
    model = ngram.train(texts, good, version=version)
    if file is not None:
        save(model, file)
        for other in file.parent.glob("feeling-*.npz"):
            if other != file:
                other.unlink(missing_ok=True)
    return model


def fingerprint(texts: list[str], good: list[bool]) -> str:
    """Sixteen hex digits of what is learnt from; the order does not matter."""
    digest = sha256(str(FORMAT).encode())
    for text, label in sorted(zip(texts, good, strict=True)):
        digest.update(f"\x00{int(label)}{text}".encode())
    return digest.hexdigest()[:16]


def save(model: ngram.Model, path: Path) -> None:
    """Writes the model as one file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "constant": model.constant, "trained_on": model.trained_on, "slope": model.slope, "offset": model.offset,
        "band": model.band, "checks": {name: asdict(check) for name, check in model.checks.items()},
        "version": model.version, "format": FORMAT,
    }  # fmt: skip
    draft = path.with_suffix(".draft.npz")
    np.savez_compressed(draft, weights=model.weights, about=np.array(json.dumps(about)))
    draft.replace(path)


def load(path: Path) -> ngram.Model:
    """A saved model; InputError when the file is not one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            if about.pop("format") != FORMAT:
                raise ValueError("another format")
            checks = {name: ngram.Check(**check) for name, check in about.pop("checks").items()}
            return ngram.Model(weights=stored["weights"].astype(np.float32), checks=checks, **about)
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a saved model of feeling; delete it and it is learnt again.") from None
