"""The log of decisions in memory: the same promises as `cdp.store.decisions.SqlDecisions`, for tests and trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cdp.domain.decisions import Author, Decision, DecisionKind, HubEdit, Link, Rulings, StandingLink
from cdp.store.decisions import Guard, in_force, new_decision_id, unknown, withdrawn_before


class InMemoryDecisions:
    """Implements `cdp.store.decisions.DecisionLog` in this process."""

    def __init__(self) -> None:
        self._decisions: dict[str, Decision] = {}
        self._edits: list[HubEdit] = []
        self._last = 0

    def write(self, kind: DecisionKind, links: Sequence[Link], author: Author, guard: Guard) -> Decision:
        """See `DecisionLog.write`."""
        guard(self.rulings().links)
        self._last += 1
        decision = Decision(self._last, new_decision_id(), kind, author, tuple(sorted(set(links))))
        self._decisions[decision.decision_id] = decision
        return decision

    def withdraw(self, decision_id: str, author: Author) -> Decision:
        """See `DecisionLog.withdraw`."""
        decision = self._decisions.get(decision_id)
        if decision is None:
            raise unknown(decision_id)
        if not decision.active:
            raise withdrawn_before(decision_id)
        self._decisions[decision_id] = replace(decision, withdrawn=author)
        return self._decisions[decision_id]

    def get(self, decision_id: str) -> Decision | None:
        """See `DecisionLog.get`."""
        return self._decisions.get(decision_id)

    def listed(self, *, before: int | None = None, limit: int = 1000, active_only: bool = False) -> list[Decision]:
        """See `DecisionLog.listed`."""
        found = [
            decision
            for decision in self._decisions.values()
            if (before is None or decision.seq < before) and (decision.active or not active_only)
        ]
        return sorted(found, key=lambda decision: -decision.seq)[:limit]

    def edit_hub(self, edit: HubEdit) -> None:
        """See `DecisionLog.edit_hub`."""
        self._edits.append(edit)

    def rulings(self) -> Rulings:
        """See `DecisionLog.rulings`."""
        links = sorted(
            StandingLink(decision.decision_id, link.kind, link.record_a, link.record_b)
            for decision in self._decisions.values()
            if decision.active
            for link in decision.links
        )
        return Rulings(tuple(links), in_force(self._edits))

    def forget(self, records: Iterable[str], values: Iterable[str] = ()) -> int:
        """See `DecisionLog.forget`."""
        gone, shared, removed = set(records), set(values), 0
        for decision_id, decision in list(self._decisions.items()):
            kept = tuple(link for link in decision.links if not gone & {link.record_a, link.record_b})
            removed += len(decision.links) - len(kept)
            if kept:
                self._decisions[decision_id] = replace(decision, links=kept)
            else:
                del self._decisions[decision_id]
        left = [edit for edit in self._edits if edit.value not in shared]
        removed += len(self._edits) - len(left)
        self._edits = left
        return removed
