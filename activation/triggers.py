"""Triggers: something is done for whoever enters a segment, a while later, if it still holds.

"Cart abandoned an hour ago and no order since" is a segment; the trigger adds the delay, asks again before it fires,
respects quiet hours by the person's own clock and caps per person, and keeps a holdout, so that what it brings can be
measured. All moments are the data's. A firing and its message are written in one transaction.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from activation.config import KEY, value_at
from cdp.errors import InputError
from cdp.store import triggers as kept
from cdp.store.delivery_tables import deliveries
from cdp.store.outbox import Outbox
from cdp.store.triggers import Firing, Person, Trigger
from cdp.wording import foremost, nearest, reason

BATCH = 500
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,5})([mhd])")


class Cap(BaseModel):
    """At most `most` firings for a person within `days` days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    most: int = Field(ge=1, le=1_000)
    days: int = Field(ge=1, le=366)


class Quiet(BaseModel):
    """Hours in which nothing fires, and what would waits until they end; `begin` after `end` means overnight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: time
    end: time
    zone: str = Field("UTC", description="For people whose own time zone nobody knows.")

    @field_validator("begin", "end", mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        # YAML reads 21:00 without quotes as the number 1260.
        if not isinstance(value, str | time):
            raise ValueError('write a time of day in quotes, for example "21:00"')
        return value

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        known = available_timezones()
        if value not in known:
            raise ValueError(
                f"there is no such time zone.{nearest(value, known) or ' Write for example Europe/Berlin.'}"
            )
        return value


class Definition(BaseModel):
    """A trigger as people write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=KEY)
    title: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=2_000)
    segment: str = Field(description="Fires for whoever enters this segment.")
    destination: str | None = Field(None, description="Who is told; without one the firing is only noted.")
    delay: str = Field("0m", description="How long it has to hold before it fires: 30m, 1h, 2d.")
    recheck: bool = Field(True, description="Whether the person must still be in the segment after the delay.")
    quiet: Quiet | None = None
    cap: Cap | None = Field(None, description="For this trigger.")
    cap_all: Cap | None = Field(None, description="Over all triggers together.")
    holdout: float = Field(0.0, ge=0.0, le=0.5, description="Share of people for whom it never fires, by stable hash.")

    @field_validator("delay")
    @classmethod
    def _duration(cls, value: str) -> str:
        _seconds(value)
        return value

    @property
    def waits(self) -> timedelta:
        """The delay."""
        return timedelta(seconds=_seconds(self.delay))


def _seconds(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("a duration is a number and m, h or d, for example 30m")
    return int(found[1]) * _UNITS[found[2]]


def parse(content: Any) -> Definition:
    """A definition from what a person wrote. InputError names the field."""
    if not isinstance(content, Mapping):
        raise InputError("A trigger is a mapping with key, title and segment.")
    try:
        return Definition.model_validate(dict(content))
    except ValidationError as error:
        first = foremost(error.errors(include_url=False, include_input=False))
        place = ".".join(str(part) for part in first["loc"])
        parts: dict[str, type[BaseModel]] = {"quiet": Quiet, "cap": Cap, "cap_all": Cap}
        within = parts.get(str(first["loc"][0]), Definition) if len(first["loc"]) > 1 else Definition
        raise InputError(f"Trigger, {place}: {reason(first, fields=within.model_fields)}") from None


def save(outbox: Outbox, wanted: Definition, *, by: str, at: datetime, expected: int | None) -> Trigger:
    """Create or change a trigger; it fires for who enters from now on. One that is switched off stays off.

    Raises as `cdp.store.triggers.save`.
    """
    enabled = expected is None or kept.read(outbox, wanted.key).enabled
    row = Trigger(
        wanted.key, wanted.segment, wanted.destination, wanted.model_dump_json(), enabled, 0, saved_by=by, saved_at=at
    )
    return kept.save(outbox, row, expected=expected)


@dataclass
class Ran:
    """What became of the firings of a trigger that were due."""

    trigger: str
    outcomes: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: str) -> None:
        """Count one."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def run(outbox: Outbox, now: datetime) -> list[Ran]:
    """Decide all firings that are due; messages wait in the outbox afterwards. May be killed and run again."""
    return [_run(outbox, one, now) for one in kept.read_all(outbox) if one.enabled]


def _run(outbox: Outbox, trigger: Trigger, now: datetime) -> Ran:
    wanted = parse(json.loads(trigger.definition))
    done, after = Ran(trigger.key), 0
    while True:
        with outbox.writing() as connection:
            # One at a time: caps count what others have decided.
            outbox.backend.lock(connection, "triggers")
            rows = kept.waiting(
                connection, trigger.key, before=now - wanted.waits, now=now, after=after, limit=BATCH
            )  # fmt: skip
            for one in rows:
                done.add(_decide(connection, trigger, wanted, one, now))
        if len(rows) < BATCH:
            return done
        after = rows[-1].id


def _decide(connection: sa.Connection, trigger: Trigger, wanted: Definition, one: Firing, now: datetime) -> str:
    who = kept.person(connection, one.profile_id, trigger.segment_key)
    if who is None or (wanted.recheck and not who.member):
        return _close(connection, one, "left", now)
    if not who.allowed:
        return _close(connection, one, "withheld", now)
    if (later := _after_quiet(wanted, who, now)) is not None:
        kept.decide(connection, one, due_at=later)
        return "put off"
    if _capped(connection, trigger, wanted, who, now):
        return _close(connection, one, "capped", now)
    # Who is held out passed every check that the others pass: both arms are alike.
    state = "held_out" if held_out(wanted, who.profile_id) else "fired"
    kept.decide(
        connection, one, state=state, decided_at=now, profile_id=who.profile_id, due_at=None, holdout=wanted.holdout
    )
    if state == "fired" and trigger.destination_key is not None:
        message = {
            "destination_key": trigger.destination_key,
            "message_id": f"{trigger.destination_key}:{trigger.key}-{one.id}",
            "profile_id": who.profile_id,
            "segment_key": trigger.segment_key,
            "trigger_key": trigger.key,
            "kind": "trigger",
            "reason": "trigger",
            "at": now,
            "state": "pending",
            "attempts": 0,
        }
        connection.execute(sa.insert(deliveries), message)
    return state


def _capped(connection: sa.Connection, trigger: Trigger, wanted: Definition, who: Person, now: datetime) -> bool:
    """Whether the person has had enough; who entered twice meanwhile, or as two who are one now, is told once."""
    at_once = kept.counted(connection, who.profile_id, since=now - timedelta(microseconds=1), key=trigger.key)
    limits = [(cap, key) for cap, key in ((wanted.cap, trigger.key), (wanted.cap_all, None)) if cap is not None]
    return at_once > 0 or any(
        kept.counted(connection, who.profile_id, since=now - timedelta(days=cap.days), key=key) >= cap.most
        for cap, key in limits
    )


def _close(connection: sa.Connection, one: Firing, state: str, now: datetime) -> str:
    kept.decide(connection, one, state=state, decided_at=now, due_at=None)
    return state


def held_out(wanted: Definition, profile_id: str) -> bool:
    """Whether a person is in the holdout: the same answer for ever, another person's for another trigger."""
    drawn = hashlib.sha256(f"trigger:{wanted.key}:{profile_id}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64 < wanted.holdout


def _after_quiet(wanted: Definition, who: Person, now: datetime) -> datetime | None:
    """When quiet hours end for a person for whom it is quiet now, in UTC; None when it is not."""
    if wanted.quiet is None:
        return None
    zone = zone_of(json.loads(who.document) if who.document else {}) or ZoneInfo(wanted.quiet.zone)
    local, begin, end = now.astimezone(zone), wanted.quiet.begin, wanted.quiet.end
    here = local.time().replace(tzinfo=None)
    overnight = begin > end
    if not (here >= begin or here < end if overnight else begin <= here < end):
        return None
    day = local.date() + timedelta(days=1 if overnight and here >= begin else 0)
    return _shown(datetime.combine(day, end, tzinfo=zone)).astimezone(now.tzinfo)


def _shown(wall: datetime) -> datetime:
    """When clocks show a time, in UTC; where they are put forward over it, when they are."""
    moment = wall.astimezone(UTC)
    if moment.astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return moment
    early, late = wall.replace(fold=1).astimezone(UTC), moment
    ahead = moment.astimezone(wall.tzinfo).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(wall.tzinfo).utcoffset() == ahead:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)


def zone_of(document: Mapping[str, Any]) -> tzinfo | None:
    """A person's time zone: that of their phone's region, else of their country; None when neither says.

    A country with several zones counts as the zone of its example number (libphonenumber's table).
    """
    import phonenumbers
    from phonenumbers import timezone

    number = None
    phone, country = value_at(document, "traits.phone"), value_at(document, "traits.country")
    if isinstance(phone, str):
        try:
            number = phonenumbers.parse(phone)
        except phonenumbers.NumberParseException:
            number = None
    if number is None and isinstance(country, str) and len(country) == 2:
        number = phonenumbers.example_number(country.upper())
    zones = timezone.time_zones_for_number(number) if number is not None else ()
    known = [zone for zone in zones if zone in available_timezones()]
    return ZoneInfo(known[0]) if known else None
