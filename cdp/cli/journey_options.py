"""Options that all questions about journeys share, and the small notations for steps and exclusions. Parsing only."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.errors import InputError

if TYPE_CHECKING:
    from journeys.audience import Audience

_STEP = re.compile(r"^(?P<names>[^\[\]]+?)(?:\[(?P<where>[^\[\]]*)\])?$")
_BETWEEN = re.compile(r"^(?P<names>.+?)(?:@(?P<after>\d+)-(?P<before>\d+))?$")

_AUDIENCE = {
    "segment": ("--segment", "Only people of this segment, by key."),
    "persona": ("--persona", "Only people of this persona."),
    "channel": ("--channel", "Only people who came through this channel first."),
    "hours": ("--hours", "Only people who do most between these hours (UTC), as in 18..22."),
    "who": ("--who", "new or returning people of the period."),
    "period": ("--period", "FROM..TO, both days included: `2025-01-01..2025-06-30`, `2025-01..`, `..2025`."),
}
_COMPARE = (
    "--compare",
    "Side by side with a segment, or persona:, channel:, hours:, period:, new, returning, everybody.",
)
_PEOPLE = {
    "node": ("--node", "A number of the answer, by its node, for --segment-out."),
    "segment_out": ("--segment-out", "YAML file for the people behind --node."),
    "purpose": ("--purpose", "What the people of --segment-out may be used for; analytics by default."),
}


@dataclass(frozen=True)
class Asked:
    """Whom a command is about, what to compare with, and which number's people are wanted where."""

    audience: Audience
    compare: str | None = None
    node: str | None = None
    segment_out: Path | None = None
    purpose: str = "analytics"

    @property
    def people(self) -> tuple[str, Path] | None:
        """The node and the file for its people, when they are wanted."""
        if (self.node is None) != (self.segment_out is None):
            raise InputError("--node and --segment-out belong together: a number, and a file for the people behind it.")
        return None if self.node is None or self.segment_out is None else (self.node, self.segment_out)


def about(*, people: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of an audience (and of the people behind a number); it gets them as `asked`."""
    shared = {**_AUDIENCE, "compare": _COMPARE, **(_PEOPLE if people else {})}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "asked"]
        added = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=typer.Option(None, flag, help=help_text),
                annotation=Path | None if name == "segment_out" else str | None,
            )
            for name, (flag, help_text) in shared.items()
        ]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own] + added

        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            choices = {name: given.pop(name) for name in shared}
            command(asked=_asked(choices), **given)

        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {each.name: each.annotation for each in parameters}
        return wrapped

    return decorate


def _asked(choices: dict[str, Any]) -> Asked:
    from journeys.audience import choose

    audience = choose(**{name: choices.pop(name) for name in _AUDIENCE})
    return Asked(audience, **{name: value for name, value in choices.items() if value is not None})


def step(text: str) -> dict[str, Any]:
    """`cart`, `product|search` (either), `checkout[device=mobile,channel=web]` as a step."""
    found = _STEP.match(text.strip())
    if found is None:
        raise InputError(f"`{text[:80]}` is no step: write NAME, NAME|NAME or NAME[property=value].")
    where: dict[str, str] = {}
    for part in (found["where"] or "").split(","):
        name, equals, value = part.partition("=")
        if part.strip() and not equals:
            raise InputError(f"`{part[:40]}` is no property of a step: write property=value.")
        if equals:
            where[name.strip()] = value.strip()
    return {"events": _names(found["names"]), **({"where": where} if where else {})}


def exclusion(text: str) -> dict[str, Any]:
    """`payment_error` (between step 1 and 2) or `payment_error|ticket@2-3` as an exclusion."""
    found = _BETWEEN.match(text.strip())
    if found is None:
        raise InputError(f"`{text[:80]}` is no exclusion: write NAME@AFTER-BEFORE with numbers of steps.")
    return {
        "events": _names(found["names"]),
        "after": int(found["after"] or 1),
        "before": int(found["before"] or 2),
    }


def breakdown(by: str | None, at: str) -> dict[str, Any] | None:
    """`--by device --at first|last|N` as a breakdown."""
    if by is None:
        return None
    return {"by": by, "at": "step", "step": int(at)} if at.isdecimal() else {"by": by, "at": at}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split("|") if name.strip()]
