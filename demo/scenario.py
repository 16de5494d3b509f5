"""What a demo world is like: the strict model of a scenario file and its reader.

Every habit, corruption and effect has a name and a rate here, and nothing else in the package holds one. A scenario may
say `extends: small` and give only what differs: `household`, `records`, `corruptions`, `web`, `support` and `marketing`
are then merged key by key; everything else (people, countries, personas, effects, …) is replaced whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cdp.errors import ConfigurationError
from cdp.wording import reason

SHIPPED = Path(__file__).resolve().parent / "scenarios"
MERGED = frozenset({"household", "records", "corruptions", "web", "support", "marketing"})

Rate = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[float, Field(gt=0, le=3650)]
Weight = Annotated[float, Field(ge=0)]
StageName = Literal["awareness", "consideration", "decision", "use", "loyalty", "lapsed"]
SourceName = Literal["sales", "support", "web", "pos"]
CountryName = Literal["US", "GB", "CA", "DE", "FR", "ES", "MX", "PL", "RU", "CN", "EG"]
DeviceName = Literal["mobile", "desktop", "tablet"]
ChannelName = Literal["web", "pos", "sales"]
STAGES: tuple[StageName, ...] = get_args(StageName)
COUNTRIES: tuple[CountryName, ...] = get_args(CountryName)
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)
PURCHASE_CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)
# One rate for all sources of people, or one per source (a source left out has none).
SourceRate = Rate | dict[SourceName, Rate]


class Part(BaseModel):
    """A part of a scenario: unknown keys are errors, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Household(Part):
    """Who lives together and what happens to them; shares of households or of people."""

    sizes: dict[Annotated[int, Field(ge=1, le=8)], Weight] = Field(description="Number of members to weight.")
    flat_share: Rate = Field(description="Households of two or more who are no family.")
    spouse_keeps_name: Rate
    marries: Rate = Field(description="Spouses who marry, and so change their surname, within the two years.")
    twins: Rate = Field(description="Families with two children or more whose first two are twins.")
    namesake_child: Rate = Field(description="First children who carry the name of the parent of the same sex.")
    household_moves: Rate
    child_moves_out: Rate
    changes_mail: Rate
    changes_phone: Rate
    shared_landline: Rate
    shared_mail: Rate = Field(description="Couples who use one mail address.")


class RecordShares(Part):
    """The share of people each source gets to know."""

    sales: Rate
    pos: Rate
    pos_second: Rate = Field(description="Loyalty members with a second record.")
    web_account: Rate
    support: Rate = Field(description="People with a support record although they never wrote a ticket.")
    second_mail: Rate = Field(description="Records made with the person's other mail address.")
    marketing_known: Rate = Field(description="First purchases at which the buyer leaves a working mail address.")


class Corruptions(Part):
    """Every way in which the files are wrong, with its rate; 0 when left out."""

    # Of person records, by field.
    typo_in_name: SourceRate = 0.0
    typo_in_street: SourceRate = 0.0
    typo_in_mail: SourceRate = 0.0
    nickname: SourceRate = 0.0
    initial_only: SourceRate = 0.0
    swapped_names: SourceRate = 0.0
    one_name_only: SourceRate = 0.0
    accents_dropped: SourceRate = 0.0
    latin_transcription: SourceRate = 0.0
    upper_case_name: SourceRate = 0.0
    upper_case_mail: SourceRate = 0.0
    plus_addressing: SourceRate = 0.0
    placeholder_mail: SourceRate = 0.0
    placeholder_phone: SourceRate = 0.0
    missing_mail: SourceRate = 0.0
    missing_phone: SourceRate = 0.0
    missing_birth_date: Rate = 0.0
    missing_street: SourceRate = 0.0
    garbled_birth_date: Rate = 0.0
    swapped_day_month: Rate = 0.0
    # Of rows, each added to the good ones; these belong in quarantine.
    unparseable_create_date: Rate = 0.0
    negative_amount: Rate = 0.0
    date_in_the_future: Rate = 0.0
    amount_not_a_number: Rate = 0.0
    truncated_json: Rate = 0.0
    event_without_person: Rate = 0.0
    # Of web events, delivered twice or late.
    duplicate_web_delivery: Rate = 0.0
    late_event: Rate = 0.0

    def for_source(self, name: str, source: str) -> float:
        """The rate of corruption `name` in `source`."""
        value = getattr(self, name)
        return float(value.get(source, 0.0)) if isinstance(value, dict) else float(value)


class Persona(Part):
    """A kind of customer: how the hidden journey goes, how fast, and through which channels."""

    share: Weight
    spend: Annotated[float, Field(gt=0)] = Field(description="Median purchase.")
    pace: Annotated[float, Field(gt=0)] = Field(description="Multiplies the days between two steps.")
    web: Rate = Field(description="Steps that show on the web, purchases apart.")
    tickets: Rate = Field(description="Steps of use and loyalty that end in a support ticket.")
    channels: dict[ChannelName, Weight]
    devices: dict[DeviceName, Weight]
    repurchase: dict[Literal["use", "loyalty"], Rate] = Field(description="Steps that are a purchase without moving.")
    transitions: dict[StageName, dict[StageName, Rate]] = Field(
        description="Chance of the next stage; the rest stays, for `lapsed` for good. decision→use and use→loyalty buy."
    )

    @model_validator(mode="after")
    def _rows_fit(self) -> Persona:
        for stage, row in self.transitions.items():
            if sum(row.values()) > 1 + 1e-9:
                raise ValueError(f"transitions.{stage} adds up to more than 1")
        if not sum(self.channels.values()) or not sum(self.devices.values()):
            raise ValueError("channels and devices need a weight above 0")
        return self


class Web(Part):
    """Devices and visits."""

    second_device: Rate
    shares_device: Rate = Field(description="Households of two or more with a device that two of them use.")
    cookie_reset: Rate = Field(description="Devices that get a new anonymous id once.")
    login: Rate = Field(description="Visits of account holders, purchases apart, in which they log in.")
    opens_account: Rate = Field(description="Visits from consideration on in which a future account is opened.")
    phone_trait: Rate = Field(description="Accounts that carry the phone number.")
    visitor_leaves: Rate = Field(description="Visits after which a never-known visitor does not come back.")
    error_page: Rate = Field(description="Visits with an error page, whatever happens in them.")
    checkout_error: Rate = Field(description="Checkouts with a harmless error message.")
    payment_failure: dict[DeviceName, Rate]
    gives_up_paying: Rate = Field(description="Payments abandoned without any failure.")


class Support(Part):
    """Tickets."""

    slow_share: Rate = Field(description="Tickets solved after more than 72 hours.")
    rated: Rate
    unhappy_if_fast: Rate
    unhappy_if_slow: Rate
    writes_own_language: Rate
    ticket_after_failed_payment: Rate


class Marketing(Part):
    """The welcome mail and the newsletter."""

    welcome_open: Rate
    welcome_click: Rate
    newsletter_subscribed: Rate
    newsletter_every_days: Days
    newsletter_open: Rate
    newsletter_click: Rate
    unsubscribe: Rate


class SlowSupport(Part):
    """Of people with a ticket, the share that stays away for 200 days or for ever."""

    defect_slow: Rate
    defect_fast: Rate


class FailedPaymentMobile(Part):
    """Of failed payments, the share abandoned; of those, the share that lapses."""

    abandon_mobile: Rate
    abandon_other: Rate
    lapse: Rate


class WelcomeMail(Part):
    """Of first buyers who got the welcome mail, the share that it makes buy again."""

    lift: Rate


class Effects(Part):
    """What is planted; an effect left out is not there at all."""

    slow_support: SlowSupport | None = None
    failed_payment_mobile: FailedPaymentMobile | None = None
    welcome_mail: WelcomeMail | None = None


class Scenario(Part):
    """A demo world before the dice are thrown."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_-]+$")
    people: int = Field(ge=1, le=20_000_000)
    visitors: Annotated[float, Field(ge=0, le=10)] = Field(description="Never-known web visitors per person.")
    activity_spread: Annotated[float, Field(ge=0, le=2)] = Field(description="Sigma of the log of people's pace.")
    arrivals_end_day: Annotated[int, Field(ge=1, le=728)] = Field(description="Last day on which a journey starts.")
    stage_days: dict[StageName, Days] = Field(description="Mean days to the next step, by stage.")
    countries: dict[CountryName, Weight]
    household: Household
    records: RecordShares
    corruptions: Corruptions
    personas: dict[str, Persona] = Field(min_length=1)
    web: Web
    support: Support
    marketing: Marketing
    effects: Effects

    @model_validator(mode="after")
    def _complete(self) -> Scenario:
        missing = [stage for stage in STAGES if stage not in self.stage_days]
        if missing:
            raise ValueError(f"stage_days lacks {', '.join(missing)}")
        if not sum(self.countries.values()) or not sum(p.share for p in self.personas.values()):
            raise ValueError("countries and personas need a weight above 0")
        return self


def load_scenario(scenario: str | Path) -> Scenario:
    """Read a shipped scenario by name or any scenario file; ConfigurationError names the file and the field."""
    path = _find(scenario)
    try:
        return Scenario.model_validate(_read(path, seen=()))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "function-after") or "the scenario"
        raise ConfigurationError(f"{path.name}: {field} is not usable: {reason(first)}") from None


def _find(scenario: str | Path) -> Path:
    text = str(scenario)
    path = Path(text) if text.endswith((".yaml", ".yml")) else SHIPPED / f"{text}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise ConfigurationError(f"There is no scenario {text}; name one of {names}, or a YAML file.")
    return path


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path.name}: not readable as YAML{where}.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path.name}: a scenario is a mapping of fields to values.")
    base_name = content.pop("extends", None)
    if base_name is None:
        return content
    if path in seen:
        raise ConfigurationError(f"{path.name}: extends itself.")
    base_path = path.parent / f"{base_name}.yaml"
    base = _read(base_path if base_path.is_file() else _find(base_name), (*seen, path))
    return {**base, **{key: _merged(key, base.get(key), value) for key, value in content.items()}}


def _merged(key: str, old: Any, new: Any) -> Any:
    return {**old, **new} if key in MERGED and isinstance(old, dict) and isinstance(new, dict) else new
