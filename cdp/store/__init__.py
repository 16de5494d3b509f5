"""The operational and serving store: what the API answers from, in SQLite or PostgreSQL.

`base` says what a store can do, `sql` and `memory` do it, `aio` reads for the API, `snapshots` keeps the analytical
files beside it. The schema is `schema`, changed only by `migrations`. Nothing here computes customer facts: what is
published was made and checked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdp.store.base import Store

__all__ = ["open_store"]


def open_store(url: str) -> Store:
    """Open the store at a SQLAlchemy URL (`sqlite:///…` or `postgresql://…`) and bring its schema up to date.

    Safe when several processes open a new store at once. Raises ConfigurationError for a URL that is not usable and
    UnavailableError when the database cannot be reached.
    """
    from cdp.store.sql import SqlStore

    return SqlStore.open(url)
