"""Driver errors told as one sentence of the error tree, without statements, parameters or values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from cdp.errors import BusyError, CdpError, ConfigurationError, ResourceError
from cdp.store.base import UnavailableError

SQLSTATE_INTEGRITY = "23"

# Text in a driver's message → what to tell.
_KNOWN: tuple[tuple[tuple[str, ...], type[CdpError], str], ...] = (
    (("database is locked", "lock timeout"), BusyError, "The store is being written by another process; try again."),
    (
        ("disk is full", "disk full", "no space left", "disk i/o error"),
        ResourceError,
        "The disk of the store is full or cannot be written; free space.",
    ),
    (("unable to open",), ConfigurationError, "The store's file cannot be opened; check CDP_HOME and its rights."),
    (
        ("not a database", "malformed"),
        ConfigurationError,
        "The store's file is damaged or no SQLite database; restore it, or remove it and run `cdp run` again.",
    ),
    (("readonly", "read-only"), ConfigurationError, "The store cannot be written; check the rights of its file."),
    (
        ("password authentication failed", "does not exist", "permission denied"),
        ConfigurationError,
        "The database refused us; check user, password and database name in CDP_STORE_URL.",
    ),
    (
        (
            "can't create a connection",
            "communication error",
            "connection refused",
            "network error",
            "connection is closed",
            "timed out",
            "terminating connection",
            "shutting down",
            "starting up",
            "too many",
            "server closed",
            "broken pipe",
        ),
        UnavailableError,
        "The store's database does not answer; check that it runs and CDP_STORE_URL.",
    ),
)


@contextmanager
def told() -> Iterator[None]:
    """Turn driver errors into errors of our tree."""
    try:
        yield
    except exc.DBAPIError as error:
        raise sentence(error.orig or error) from None
    except exc.SQLAlchemyError as error:
        raise CdpError(f"The store failed unexpectedly ({type(error).__name__}).") from None


@contextmanager
def constraint_told(meaning: CdpError) -> Iterator[None]:
    """Raise `meaning` when a statement breaks a constraint; other errors pass."""
    try:
        yield
    except exc.DBAPIError as error:
        if breaks_constraint(error.orig or error):
            raise meaning from None
        raise


def breaks_constraint(error: BaseException) -> bool:
    """Whether a driver's error says that a row breaks a constraint."""
    if isinstance(error, sqlite3.IntegrityError):
        return True
    # pg8000 has one class for all errors of the server and puts the fields of its message into a dictionary.
    fields = error.args[0] if error.args else None
    return isinstance(fields, dict) and str(fields.get("C", "")).startswith(SQLSTATE_INTEGRITY)


def sentence(error: BaseException) -> CdpError:
    """The error of our tree for an error of a driver; an unknown one is named by its kind only."""
    text = str(error).lower()
    for needles, kind, message in _KNOWN:
        if any(needle in text for needle in needles):
            return kind(message)
    if isinstance(error, OSError | TimeoutError):
        return UnavailableError("The store's database does not answer; check that it runs and CDP_STORE_URL.")
    return CdpError(f"The store failed unexpectedly ({type(error).__name__}).")
