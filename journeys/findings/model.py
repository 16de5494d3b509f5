"""What a finding is: an effect on an outcome, how sure it is, and whether it may be called a cause."""

from __future__ import annotations

from typing import Any, Literal

from journeys.measures import Effect, Frozen, Query

Basis = Literal["randomised", "association"]


class Finding(Frozen):
    """One tested hypothesis. `effect` is crude (share exposed minus share compared); `adjusted` holds context equal.

    `q_value` is the Benjamini-Hochberg adjusted p value over everything tested in the same search; `discovered` says
    whether it lies within the false discovery rate. `reason` says why a hypothesis could not be tested.
    """

    key: str
    kind: Literal["inflection", "experiment", "bottleneck", "loop", "acquisition", "drop_off"]
    subject: str
    outcome: str
    stage: str
    basis: Basis
    sentence: str
    effect: Effect | None
    adjusted: Effect | None = None
    q_value: float | None = None
    discovered: bool = False
    reason: str | None = None
    details: dict[str, str | int | float | None] = {}
    query: str = ""

    @property
    def strength(self) -> float:
        """People times points: what the finding touches, for ranking. 0 without an effect."""
        best = self.adjusted or self.effect
        return abs(best.value) * best.n_exposed if best else 0.0


class Findings(Frozen):
    """The answer of a search: discovered findings first, strongest first; then what was tested and not found."""

    false_discovery_rate: float
    tested: int
    findings: tuple[Finding, ...]
    queries: dict[str, Query]

    def discovered(self) -> tuple[Finding, ...]:
        """Only what passed the correction for many tests."""
        return tuple(finding for finding in self.findings if finding.discovered)

    def to_json(self) -> dict[str, Any]:
        """`{"findings": [...], ...}` in plain JSON types."""
        return self.model_dump(mode="json")
