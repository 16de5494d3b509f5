"""One query plan for any number of definitions: each distinct measure over the events is computed once.

`Plan` turns conditions into boolean expressions over aliased relations (`p` profiles, `e` event measures, `m` moves,
`s1…` sets of profiles found by sequences, ranks and experiments, `d` predictions, `g_…` consent statements) and then
builds a SELECT that joins exactly the relations that its columns mention. `segments.conditions` says what each node
means in these terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlglot import exp

from segments import sql
from segments.catalogue import Catalogue
from segments.gate import Gate
from segments.rows import Rows, any_rows
from segments.tree import Library

PROFILES, EVENTS, MOVES, PREDICTIONS = "p", "e", "m", "d"


@dataclass
class Measure:
    """An aggregate over the rows that it looks at."""

    alias: str
    rows: Rows
    aggregate: exp.Expr


@dataclass
class Plan:
    """Collects what conditions need; `restrict_to` names a relation of profile_ids to evaluate instead of everyone."""

    catalogue: Catalogue
    as_of: datetime
    library: Library
    gate: Gate = field(default_factory=Gate)
    schema: str = "marts"
    restrict_to: str | None = None

    def __post_init__(self) -> None:
        self._needs_everyone = False
        self._measures: dict[str, dict[str, Measure]] = {EVENTS: {}, MOVES: {}}
        self._sets: dict[str, tuple[str, Callable[[], exp.Query]]] = {}
        self._statements: dict[str, str] = {}

    def table(self, name: str, alias: str | None = None) -> exp.Table:
        """A table of the marts."""
        return sql.relation(f"{self.schema}.{name}", alias)

    def measure(self, kind: str, rows: Rows, aggregate: exp.Expr) -> exp.Column:
        """The column that will hold an aggregate over some events (`e`) or moves (`m`) of each profile."""
        known = self._measures[kind]
        key = f"{sql.same(aggregate)} | {sql.same(rows.condition)}"
        found = known.setdefault(key, Measure(f"{kind}{len(known)}", rows, aggregate))
        return sql.column(found.alias, kind)

    def in_set(self, key: str, build: Callable[[], exp.Query]) -> exp.Expr:
        """True for profiles in a set that a query of distinct profile_ids yields; equal keys share one set."""
        alias, _ = self._sets.setdefault(key, (f"s{len(self._sets)}", build))
        return exp.Is(this=sql.column("profile_id", alias), expression=exp.null()).not_()

    def statements(self, purpose: str) -> str:
        """The alias of what the consent ledger says about a purpose."""
        return self._statements.setdefault(purpose, f"g_{purpose}")

    def needs_everyone(self) -> None:
        """A rank compares everyone, so what it rests on must not be restricted to the profiles asked for."""
        self._needs_everyone = True

    def restrict_inside(self, query: exp.Select) -> exp.Select:
        """The restriction for a query inside the plan, where nothing in the plan needs everyone."""
        return query if self._needs_everyone else self.restrict(query)

    def restrict(self, query: exp.Select, alias: str | None = None) -> exp.Select:
        """The query with only the profiles asked for."""
        if self.restrict_to is None:
            return query
        wanted = exp.select(sql.column("profile_id")).from_(sql.relation(self.restrict_to))
        return query.where(exp.In(this=sql.column("profile_id", alias), query=exp.Subquery(this=wanted)), copy=False)

    def source(self, selected: list[exp.Expr], conditions: list[exp.Expr]) -> exp.Select:
        """SELECT … FROM profiles that may be used, joined to whatever the expressions mention; no CTEs."""
        used = {column.table for part in (*selected, *conditions) for column in part.find_all(exp.Column)}
        query = exp.select(*selected).from_(self.table("profiles", PROFILES))
        for alias, joined in self._joinable().items():
            if alias in used:
                on = sql.equals(sql.column("profile_id", alias), sql.column("profile_id", PROFILES))
                query.join(joined(), on=on, join_type="left", copy=False)
        usable = self.gate.unrestricted(PROFILES)
        conditions = [*conditions, *([usable] if usable is not None else [])]
        if conditions:
            query.where(*conditions, copy=False)
        return query

    def select(self, selected: Mapping[str, exp.Expr], conditions: list[exp.Expr]) -> exp.Select:
        """The finished query: named columns of the profiles that satisfy the conditions, with all CTEs it needs."""
        columns: list[exp.Expr] = [exp.alias_(value, name, quoted=True) for name, value in selected.items()]
        query = self.source(columns, conditions)
        self.restrict(query, PROFILES)
        return self.with_ctes(query)

    def with_ctes(self, query: exp.Select) -> exp.Select:
        """The query with the CTEs of all measures and sets, in an order in which each knows those before it."""
        for kind, table in ((EVENTS, "touchpoints"), (MOVES, "stage_transitions")):
            if self._measures[kind]:
                query.with_(sql.relation(f"measures_{kind}"), as_=self._measured(kind, table), copy=False)
        for alias, build in self._sets.values():
            query.with_(sql.relation(f"set_{alias}"), as_=build(), copy=False)
        return query

    def _joinable(self) -> dict[str, Callable[[], exp.Expr]]:
        joins: dict[str, Callable[[], exp.Expr]] = {
            kind: partial(sql.relation, f"measures_{kind}", kind) for kind in (EVENTS, MOVES)
        }
        joins[PREDICTIONS] = partial(self.table, "predictions", PREDICTIONS)
        joins |= {alias: partial(sql.relation, f"set_{alias}", alias) for alias, _ in self._sets.values()}
        joins |= {alias: partial(self.gate.relation, purpose, alias) for purpose, alias in self._statements.items()}
        return joins

    def _measured(self, kind: str, table: str) -> exp.Select:
        measures = list(self._measures[kind].values())
        query = exp.select(sql.column("profile_id")).from_(self.table(table)).where(self.until_now())
        wanted = any_rows([one.rows for one in measures])
        conditions = {sql.same(one.rows.condition) for one in measures}
        for one in measures:
            matching = one.rows.condition
            filtered = len(conditions) > 1 and matching != exp.true()
            aggregate = _only_where(one.aggregate, matching) if filtered else one.aggregate
            query.select(exp.alias_(aggregate, one.alias, quoted=True), copy=False)
        query.where(*wanted, copy=False)
        return self.restrict_inside(query).group_by(sql.column("profile_id"), copy=False)

    def until_now(self) -> exp.Expr:
        """Nothing after `as_of` counts."""
        return exp.LTE(this=sql.column("occurred_at"), expression=sql.timestamp(self.as_of))


def _only_where(aggregate: exp.Expr, matching: exp.Expr) -> exp.Expr:
    """The aggregate with FILTER on every aggregate function inside it."""

    def filtered(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Filter):
            return exp.Filter(this=node.copy(), expression=exp.Where(this=matching.copy()))
        return node

    return aggregate.copy().transform(filtered)
