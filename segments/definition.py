"""What a segment is: a typed tree of conditions with a key, a purpose and a version.

Every node is a strict model with a `type`; unknown fields are refused. The tree says nothing about tables: names are
checked against a catalogue (`segments.check`) and turned into SQL by `segments.compiler`. A comparison with something
unknown is never true; `is missing` asks for the unknown itself.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from cdp.domain.consent import Purpose
from segments import moments

MAX_NODES = 5_000
MAX_DEPTH = 60
MAX_TEXT = 1_000

Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "in", "not in", "between",
    "contains", "starts with", "ends with", "is missing", "is known",
]  # fmt: skip
Order = Literal["=", "!=", "<", "<=", ">", ">="]
Channel = Literal["email", "phone", "post"]
Measure = Literal["count", "days", "sum", "average", "minimum", "maximum", "first", "last"]

_PRESENCE = ("is missing", "is known")
_SETS = ("in", "not in")


class Part(BaseModel):
    """A strict, immutable piece of a definition."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)


def _plain(text: str) -> str:
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("text holds a character that no data can hold (NUL or half a character)")
    return text


def _duration(text: str) -> str:
    moments.duration(text)
    return text


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_plain)]
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_]*$")]
Duration = Annotated[str, Field(pattern=r"^[0-9]{1,6}(min|h|d|w)$"), AfterValidator(_duration)]


class Ago(Part):
    """A moment so long before now."""

    ago: Duration


def _scalar(value: Any) -> Any:
    match value:
        case bool() | Ago():
            return value
        case int():
            if abs(value) >= 2**63:
                raise ValueError("a whole number has at most 18 digits")
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError("a number must be finite")
            return value
        case str():
            if len(value) > MAX_TEXT:
                raise ValueError(f"text has at most {MAX_TEXT} characters")
            return _plain(value)
        case dict():
            return Ago.model_validate(value)
    raise ValueError('a value is text, a number, true, false or {"ago": "30d"}')


def _moment(value: Any) -> Any:
    match value:
        case Ago():
            return value
        case dict():
            return Ago.model_validate(value)
        case str():
            moments.moment(value)
            return value
        case datetime() | date():
            raise ValueError("write a moment as text in quotes")
    raise ValueError('a moment is 2025-01-31, 2025-01-31T12:00:00Z or {"ago": "30d"}')


_AGO_SCHEMA = {"type": "object", "properties": {"ago": {"type": "string"}}, "required": ["ago"]}
_SCALAR_SCHEMA: dict[str, Any] = {"anyOf": [{"type": ["string", "number", "boolean"]}, _AGO_SCHEMA]}
_MOMENT_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string"}, _AGO_SCHEMA]}


def _value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if not 1 <= len(value) <= 1_000:
            raise ValueError("a list of values holds 1 to 1,000 of them")
        return tuple(_scalar(item) for item in value)
    return None if value is None else _scalar(value)


Scalar = str | int | float | bool | Ago
Value = Annotated[
    Any,
    BeforeValidator(_value),
    WithJsonSchema({"anyOf": [*_SCALAR_SCHEMA["anyOf"], {"type": "array", "items": _SCALAR_SCHEMA}, {"type": "null"}]}),
]
Moment = Annotated[Any, BeforeValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)]


class Compared(Part):
    """An operator with the value it needs: one, a list for in, two for between, none for missing and known."""

    op: Operator
    value: Value = None

    @model_validator(mode="after")
    def _shape(self) -> Self:
        if self.op in _PRESENCE:
            if self.value is not None:
                raise ValueError(f"{self.op} takes no value")
        elif self.op in _SETS:
            if not isinstance(self.value, tuple):
                raise ValueError(f"{self.op} needs a list of values")
        elif self.op == "between":
            if not isinstance(self.value, tuple) or len(self.value) != 2:
                raise ValueError("between needs a list of two values, the smaller one first")
        elif self.value is None or isinstance(self.value, tuple):
            raise ValueError(f"{self.op} needs one value")
        return self


class Window(Part):
    """Which part of time counts: the last so long, or from `since` (included) to `until` (excluded)."""

    last: Duration | None = None
    since: Moment | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.last is not None and (self.since is not None or self.until is not None):
            raise ValueError("a window is either `last` or `since` and `until`")
        if self.last is None and self.since is None and self.until is None:
            raise ValueError("a window needs `last`, `since` or `until`")
        return self


class And(Part):
    """All of them hold."""

    type: Literal["and"] = "and"
    of: Annotated[tuple[Node, ...], Field(min_length=1, max_length=MAX_NODES, strict=False)]


class Or(Part):
    """At least one of them holds."""

    type: Literal["or"] = "or"
    of: Annotated[tuple[Node, ...], Field(min_length=1, max_length=MAX_NODES, strict=False)]


class Not(Part):
    """It does not hold, or cannot be known."""

    type: Literal["not"] = "not"
    of: Node


class Everyone(Part):
    """Every living profile, anonymous visitors included."""

    type: Literal["everyone"] = "everyone"


class Trait(Compared):
    """A trait of the profile compared with a value."""

    type: Literal["trait"] = "trait"
    trait: Text


class Prediction(Compared):
    """A predicted value of the profile (lifetime value, lapse risk) compared with a value."""

    type: Literal["prediction"] = "prediction"
    prediction: Text


class Filter(Compared):
    """A property of an event compared with a value."""

    property: Text


class Match(Part):
    """Which events count: by event name or touchpoint type (any when neither), all filters holding."""

    event: Text | None = None
    touchpoint: Text | None = None
    where: Annotated[tuple[Filter, ...], Field(max_length=50, strict=False)] = ()

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if self.event is not None and self.touchpoint is not None:
            raise ValueError("name an event or a touchpoint type, not both")
        return self


class Event(Match, Compared):
    """Something measured over the matching events: `count = 0` says it did not happen, no test at all that it did.

    `count` and `days` are numbers (0 when there are none); `sum` is 0 when there are none; `average`, `minimum` and
    `maximum` are unknown then. `first` and `last` without a property are the moment of the first or last event, with a
    property its first or last known value.
    """

    type: Literal["event"] = "event"
    measure: Measure = "count"
    of_property: Text | None = Field(None, alias="property")
    op: Operator = ">="
    value: Value = None
    window: Window | None = None

    @model_validator(mode="before")
    @classmethod
    def _happened(cls, data: Any) -> Any:
        if isinstance(data, dict) and "op" not in data and "value" not in data:
            return {**data, "value": 1}
        return data

    @model_validator(mode="after")
    def _property_fits(self) -> Self:
        if self.measure in ("count", "days") and self.of_property is not None:
            raise ValueError(f"{self.measure} takes no property")
        if self.measure in ("sum", "average", "minimum", "maximum") and self.of_property is None:
            raise ValueError(f"{self.measure} needs a property")
        return self


class Step(Match):
    """One event of a sequence: at most `within` after the step before, with no `without` strictly between them."""

    within: Duration | None = None
    without: Match | None = None


class Absence(Match):
    """No such event after the last step: until now, or during `within`, which then has to be over."""

    within: Duration | None = None


class Sequence(Part):
    """Events one strictly after another, and perhaps none of some kind after the last one."""

    type: Literal["sequence"] = "sequence"
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=10, strict=False)]
    then_no: Absence | None = None
    window: Window | None = None

    @model_validator(mode="after")
    def _first_step(self) -> Self:
        if len(self.steps) == 1 and self.then_no is None:
            raise ValueError("a sequence needs a second step or `then_no`")
        if self.steps[0].within is not None or self.steps[0].without is not None:
            raise ValueError("the first step has nothing before it, so it takes no `within` and no `without`")
        return self


class StageTime(Part):
    """How long the profile has been in its stage."""

    op: Literal["<", "<=", ">", ">="]
    value: Duration


class Stage(Part):
    """The profile is in one of these stages now, for so long."""

    type: Literal["stage"] = "stage"
    stages: Annotated[tuple[Text, ...], Field(min_length=1, max_length=50, strict=False)]
    time: StageTime | None = None


class Transition(Part):
    """How often the profile changed stage: `back` is a regression. A first stage (`start`) is a transition too."""

    type: Literal["transition"] = "transition"
    move: Literal["start", "forward", "back", "restart", "lapse"] | None = None
    from_stage: Text | None = Field(None, alias="from")
    to_stage: Text | None = Field(None, alias="to")
    op: Order = ">="
    value: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    window: Window | None = None


class SegmentRef(Part):
    """Membership of another segment."""

    type: Literal["segment"] = "segment"
    key: Key


class Consent(Part):
    """What the person has said about a purpose; `given` means the purpose is allowed and not objected to."""

    type: Literal["consent"] = "consent"
    purpose: Purpose
    state: Literal["given", "refused", "unknown"]


class Reachable(Part):
    """There is an address for the channel and, when a purpose is named, it may be used for it."""

    type: Literal["reachable"] = "reachable"
    channel: Channel
    purpose: Purpose | None = None


class Sample(Part):
    """A stable share of all profiles, drawn by hash: the same salt always draws the same people."""

    type: Literal["sample"] = "sample"
    salt: Text
    from_percent: Annotated[float, Field(ge=0, le=100, strict=False)] = 0.0
    to_percent: Annotated[float, Field(ge=0, le=100, strict=False)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to_percent < self.from_percent:
            raise ValueError("to_percent must not be below from_percent")
        return self


class Rank(Part):
    """Among the best or worst percent by a number, of all profiles that have it (or of those in `among`)."""

    type: Literal["rank"] = "rank"
    trait: Text
    side: Literal["top", "bottom"] = "top"
    percent: Annotated[float, Field(gt=0, le=100, strict=False)]
    among: Node | None = None


class Experiment(Part):
    """Assigned to an experiment, and to one arm of it when named."""

    type: Literal["experiment"] = "experiment"
    experiment: Text
    arm: Text | None = None


Node = Annotated[
    And | Or | Not | Everyone | Trait | Prediction | Event | Sequence | Stage | Transition | SegmentRef | Consent
    | Reachable | Sample | Rank | Experiment,
    Field(discriminator="type"),
]  # fmt: skip


class SegmentDefinition(Part):
    """A segment: who is in it, what it is for, and which version of the text this is."""

    key: Key
    title: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_plain)]
    description: Annotated[str, Field(max_length=2_000), AfterValidator(_plain)] = ""
    purpose: Purpose = "marketing"
    owner: Annotated[str, Field(max_length=120), AfterValidator(_plain)] = ""
    author: Annotated[str, Field(max_length=120), AfterValidator(_plain)] = ""
    tags: Annotated[tuple[Text, ...], Field(max_length=50, strict=False)] = ()
    version: Annotated[int, Field(ge=1, lt=2**31)] = 1
    where: Node


for _model in (And, Or, Not, Rank, SegmentDefinition):
    _model.model_rebuild()
