"""What can be wrong with a segment, told so that its author can repair it.

A `Problem` names the node by its path (`where.and[1].op`), says what is wrong and lists what is allowed. A
`DefinitionError` carries every problem found and stays one `InputError` to the rest of the system. Messages name parts
of a definition, never values of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdp.errors import InputError

_MOST_TOLD = 50
_MOST_ALLOWED = 200


@dataclass(frozen=True)
class Problem:
    """One fault: the path of the node, a sentence, and the allowed values when they are a closed set."""

    path: str
    message: str
    allowed: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The fault in one line, with at most twelve allowed values."""
        if not self.allowed:
            return f"{self.path}: {self.message}"
        shown = ", ".join(self.allowed[:12]) + (", …" if len(self.allowed) > 12 else "")
        return f"{self.path}: {self.message} Allowed: {shown}."

    def facts(self) -> dict[str, Any]:
        """The fault as a JSON object."""
        allowed = {"allowed": list(self.allowed[:_MOST_ALLOWED])} if self.allowed else {}
        return {"field": self.path, "message": self.message, **allowed}


class DefinitionError(InputError):
    """A segment definition cannot be used; `problems` are all faults with their paths, `extra` the first as JSON."""

    title = "Segment definition is wrong"

    def __init__(self, problems: Sequence[Problem], *, subject: str = "The segment") -> None:
        self.problems = tuple(problems)
        self.extra = {"errors": [one.facts() for one in self.problems[:_MOST_TOLD]]}
        self.more = tuple(one.sentence() for one in self.problems[1:_MOST_TOLD])
        more = f" ({len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{subject} cannot be used: {self.problems[0].sentence()}{more}")
