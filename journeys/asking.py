"""One question about one audience, or about two side by side: what command line and HTTP both answer with.

`ask` resolves whom the question is about on a connection, runs it, and puts the answer beside the audience it is about.
A question is any function of a connection and a scope.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import Field

from journeys.audience import Audience, beside, named, resolve, titled
from journeys.measures import Frozen
from journeys.scope import Scope

if TYPE_CHECKING:
    import duckdb

    from cdp.store.base import Store

T = TypeVar("T")
U = TypeVar("U")


class Side(Frozen, Generic[T]):
    """An answer and whom it is about."""

    audience: Audience
    people: int = Field(description="Profiles that the audience holds, in the period or not.")
    result: T


class Answer(Frozen, Generic[T]):
    """An answer; `compare` is the same question about the audience it is compared with."""

    as_of: datetime
    audience: Audience
    people: int = Field(description="Profiles that the audience holds, in the period or not.")
    result: T
    compare: Side[T] | None = None

    @property
    def sides(self) -> tuple[Side[T], ...]:
        """One side, or the two that are compared."""
        own = Side[T].model_construct(audience=self.audience, people=self.people, result=self.result)
        return (own,) if self.compare is None else (own, self.compare)

    def next_to(self, other: Answer[T]) -> Answer[T]:
        """The same answer with another one beside it."""
        return Answer[T].model_construct(
            as_of=self.as_of, audience=self.audience, people=self.people, result=self.result, compare=other.sides[0]
        )

    def turned(self, change: Callable[[Side[T]], U]) -> Answer[U]:
        """The same answer with each side's result put another way."""
        own, *others = (
            Side[Any].model_construct(audience=side.audience, people=side.people, result=change(side))
            for side in self.sides
        )
        return Answer[Any].model_construct(
            as_of=self.as_of, audience=own.audience, people=own.people, result=own.result,
            compare=others[0] if others else None,
        )  # fmt: skip


def ask(
    connection: duckdb.DuckDBPyConnection,
    question: Callable[[duckdb.DuckDBPyConnection, Scope], T],
    audience: Audience,
    *,
    as_of: datetime,
    store: Store,
    compare: str | None = None,
) -> Answer[T]:
    """The answer for an audience, beside that for `compare` (see `journeys.audience.beside`) when it is given."""
    chosen = titled(audience, store)
    other = None if compare is None else titled(beside(chosen, compare), store)
    own = _side(connection, question, chosen, as_of=as_of, store=store, name="audience")
    second = None
    if other is not None:
        second = _side(connection, question, other, as_of=as_of, store=store, name="compared")
    return Answer[T].model_construct(
        as_of=as_of, audience=own.audience, people=own.people, result=own.result, compare=second
    )


def _side(
    connection: duckdb.DuckDBPyConnection,
    question: Callable[[duckdb.DuckDBPyConnection, Scope], T],
    audience: Audience,
    *,
    as_of: datetime,
    store: Store,
    name: str,
) -> Side[T]:
    scope = resolve(connection, audience, as_of=as_of, store=store, name=name)
    counted = connection.execute(f"select count(*) from {scope.relation}").fetchone()
    people = int(counted[0]) if counted else 0
    return Side[T].model_construct(
        audience=named(connection, audience), people=people, result=question(connection, scope)
    )
