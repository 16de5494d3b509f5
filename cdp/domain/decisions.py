"""What people decide about identity, as types: decisions with their links, withdrawals, edits of the hub list.

Records are named by their key, SOURCE:ID. Nothing here is personal data but what a person writes into a note or names
as a shared value. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LinkKind = Literal["always", "never"]
# merge and split are about profiles, same and different about two records: the answers to a question of the review.
DecisionKind = Literal["merge", "split", "same", "different"]
HubKind = Literal["email", "phone", "address"]
# `learn` takes an edit back: the data decide again.
HubAction = Literal["block", "allow", "learn"]

ALWAYS: LinkKind = "always"
NEVER: LinkKind = "never"


@dataclass(frozen=True)
class Author:
    """Who decides, when, and why."""

    name: str
    at: datetime
    note: str | None = None


@dataclass(frozen=True, order=True)
class Link:
    """Two records that are always, or never, one person; `record_a` sorts before `record_b`."""

    kind: LinkKind
    record_a: str
    record_b: str

    @staticmethod
    def between(kind: LinkKind, one: str, other: str) -> Link:
        """The link of two records named in any order."""
        return Link(kind, min(one, other), max(one, other))


@dataclass(frozen=True)
class Decision:
    """A decision as it was written; `seq` orders decisions, `withdrawn` says who took it back, when and why."""

    seq: int
    decision_id: str
    kind: DecisionKind
    author: Author
    links: tuple[Link, ...]
    withdrawn: Author | None = None

    @property
    def active(self) -> bool:
        """Whether it holds."""
        return self.withdrawn is None


@dataclass(frozen=True, order=True)
class StandingLink:
    """A link of a decision that holds, as a run receives it."""

    decision_id: str
    kind: LinkKind
    record_a: str
    record_b: str


@dataclass(frozen=True)
class HubEdit:
    """What a person says of a shared value: never evidence (`block`), always (`allow`), or as the data say."""

    kind: HubKind
    value: str
    action: HubAction
    author: Author


@dataclass(frozen=True)
class Rulings:
    """All that people decided and that holds now, in a fixed order: what a run has to carry out."""

    links: tuple[StandingLink, ...] = ()
    hub_edits: tuple[HubEdit, ...] = ()
