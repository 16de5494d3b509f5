"""Questions about journeys over the wire, and the page of people behind a number."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from api.paging import PublicationOut
from journeys.audience import Audience, choose
from journeys.funnels.definition import Funnel, Paths

Key = Annotated[str, Field(max_length=200)]
Short = Annotated[str, Field(max_length=60)]
Node = Annotated[
    str, Field(max_length=400, description="A number of the answer, by its `node`.", examples=["step.2.dropped"])
]
Purpose = Annotated[str, Field(max_length=60, description="What the people may be used for; the consent gate decides.")]


class MapFormat(StrEnum):
    """How the map is answered."""

    JSON = "json"
    SVG = "svg"
    PNG = "png"
    PDF = "pdf"
    HTML = "html"
    XLSX = "xlsx"
    MERMAID = "mermaid"


class Language(StrEnum):
    """Languages of the page."""

    EN = "en"
    ZH = "zh"


class AudienceChoice(BaseModel):
    """Whom a question is about; every choice narrows the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment: Key | None = Field(default=None, description="People of this segment, by key.")
    persona: Key | None = Field(default=None, description="People of this persona.")
    channel: Key | None = Field(default=None, description="People who came through this channel first.")
    hours: Short | None = Field(default=None, description="People who do most between these hours (UTC): `18..22`.")
    who: Short | None = Field(default=None, description="`new` or `returning` people of the period.")
    period: Short | None = Field(default=None, description="`FROM..TO`, both days included: `2025-01-01..2025-06-30`.")

    def chosen(self) -> Audience:
        """The audience; InputError names what is written wrong."""
        return choose(**self.model_dump())


CompareText = Annotated[
    str | None,
    Field(
        max_length=240,
        description="Side by side with a segment by key, or `persona:`, `channel:`, `hours:`, `period:`, `new`, "
        "`returning`, `everybody`.",
    ),
]


class Asked(BaseModel):
    """What all questions have in common: whom they are about, and with whom to compare."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: AudienceChoice = AudienceChoice()
    compare: CompareText = None

    @property
    def whom(self) -> tuple[Audience, str | None]:
        """The audience, and what to compare it with."""
        return self.audience.chosen(), self.compare


class FunnelBody(Funnel, Asked):
    """A funnel of an audience."""


class PathsBody(Paths, Asked):
    """Paths of an audience."""


class AttributionBody(Asked):
    """Attribution of an audience's purchases."""

    window_days: int = Field(30, le=3650, description="Touches so long before a purchase count.")
    half_life_days: float = Field(7.0, le=3650, description="Time decay halves the credit of a touch this much older.")
    models: tuple[Short, ...] | None = Field(
        None, max_length=7, description="first, last, linear, position, time_decay, markov, shapley; null for all."
    )


class PeopleOf(BaseModel):
    """Which number's people, and for what."""

    node: Node
    purpose: Purpose = "analytics"


class FunnelPeopleBody(FunnelBody, PeopleOf):
    """The people behind a number of a funnel."""


class PathsPeopleBody(PathsBody, PeopleOf):
    """The people behind a node of paths."""


class SegmentOut(BaseModel):
    """A segment definition that says the same as a number, to be saved as a segment."""

    purpose: str
    where: Any = Field(description="The condition, as in a segment's definition.")


class PeoplePage(BaseModel):
    """Profiles behind a number: those who may be used for the purpose, by profile id."""

    node: str
    purpose: str
    size: int = Field(description="All profiles behind the number.")
    held_back: int = Field(description="Those of them who may not be used for the purpose.")
    segment: SegmentOut | None = Field(description="Where a segment can say who it is, also after the next run.")
    data: list[str] = Field(description="Profile ids.")
    next_cursor: str | None
    publication: PublicationOut
    publication_changed: bool


async def audience_query(
    *,
    segment: Annotated[str | None, Query(max_length=200, description="People of this segment, by key.")] = None,
    persona: Annotated[str | None, Query(max_length=200, description="People of this persona.")] = None,
    channel: Annotated[str | None, Query(max_length=200, description="People who came through it first.")] = None,
    hours: Annotated[str | None, Query(max_length=60, description="Hours (UTC) they do most in: `18..22`.")] = None,
    who: Annotated[str | None, Query(max_length=60, description="`new` or `returning` in the period.")] = None,
    period: Annotated[str | None, Query(max_length=60, description="`FROM..TO`, both days included.")] = None,
) -> AudienceChoice:
    """The audience that the query parameters choose."""
    return AudienceChoice(segment=segment, persona=persona, channel=channel, hours=hours, who=who, period=period)


AudienceQuery = Annotated[AudienceChoice, Depends(audience_query)]
CompareQuery = Annotated[
    str | None,
    Query(
        max_length=240,
        description="Side by side with a segment by key, or `persona:`, `channel:`, `hours:`, `period:`, `new`, "
        "`returning`, `everybody`.",
    ),
]
FormatChoice = Annotated[MapFormat, Query(alias="format")]
LanguageChoice = Annotated[Language, Query()]
NodeChoice = Annotated[str, Query(max_length=400, description="A number of the answer, by its `node`.")]
PurposeChoice = Annotated[str, Query(max_length=60, description="What the people may be used for.")]
