"""Whom a request means, found in the warehouse and frozen in its encrypted plan; and what stops a request.

The caller holds the writer lock. What is wrong with a request is told as a code for its record and a sentence for
whoever made it; neither holds personal data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cdp.engine.duckdb import open_engine
from cdp.errors import ConflictError, InputError
from cdp.settings import Settings
from cdp.store import open_store
from identity.config import PIPELINE
from identity.normalise.email import normalise_email
from identity.normalise.lookup import lookup_value
from pipelines.erasing import corrected
from privacy.closure import Closure, Named, find
from privacy.naming import PROFILE
from privacy.register import Register
from privacy.requests.request import Request
from privacy.requests.words import Refusal
from privacy.work import Work

# A person has a handful of records; more is a cluster that went wrong, or a value that is no person's.
MOST_RECORDS = 50
# Above this share of all profiles a batch is more likely a mistake than a wish.
MOST_SHARE = 0.05
FEW = 50


@dataclass(frozen=True)
class Obstacle:
    """Why a request cannot be carried out as it is."""

    code: Refusal
    sentence: str


class Stopped(ConflictError):
    """A request is refused: by whom it means, or by how many."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.sentence)
        self.code = obstacle.code


def parse(text: str) -> Named:
    """An identifier `type:value`. InputError for an unknown type or a value that cannot be one, never repeating it."""
    kind, separator, value = text.partition(":")
    if not separator or not value.strip():
        raise InputError("An identifier is TYPE:VALUE, for example email:someone@example.org.")
    if kind == PROFILE:
        return Named(PROFILE, value.strip())
    mailbox = None
    if kind == "email":
        found = normalise_email(value)
        mailbox = found.base if found.kind in ("personal", "disposable") else None
    return Named(kind, lookup_value(kind, value), mailbox)


def parse_all(subjects: Sequence[Sequence[str]]) -> list[list[Named]]:
    """The identifiers of each person. InputError when somebody has none; of several people it says which."""
    if not subjects or not all(subjects):
        raise InputError("A request names at least one identifier per person.")
    named = []
    for number, identifiers in enumerate(subjects, start=1):
        try:
            named.append([parse(text) for text in identifiers])
        except InputError as error:
            raise InputError(f"Person {number}: {error.message}" if len(subjects) > 1 else error.message) from None
    return named


def closures_of(settings: Settings, named: Sequence[Sequence[Named]], frozen: Sequence[Closure] = ()) -> list[Closure]:
    """Whom the identifiers mean, as the warehouse knows now; see `privacy.closure.find` for `frozen`."""
    if not settings.warehouse.exists():
        return [Closure(tuple(one), mailboxes=[n.mailbox for n in one if n.mailbox]) for one in named]
    with open_store(settings.database_url) as store:
        in_force = store.corrections.in_force()
    with open_engine(settings).reader() as connection:
        named = corrected.with_records(named, in_force)
        found = find(connection, named, join_weight=PIPELINE.join_weight, frozen=frozen)
        corrected.add_values(connection, found, in_force)
    return found


def obstacle(settings: Settings, closures: Sequence[Closure], *, allow_many: bool) -> Obstacle | None:
    """What stops these people from being erased: two people in one, a cluster that went wrong, too many at once."""
    ambiguous = [number for number, closure in enumerate(closures, start=1) if closure.is_ambiguous]
    if ambiguous:
        return Obstacle(
            Refusal.DIFFERENT_PEOPLE,
            f"The identifiers of person {ambiguous[0]} lead to {len(closures[ambiguous[0] - 1].profiles)} different"
            " people; name one person only, by an identifier that is theirs alone.",
        )
    for number, closure in enumerate(closures, start=1):
        if len(closure.records) > MOST_RECORDS:
            return Obstacle(
                Refusal.MATCHES_TOO_MUCH,
                f"Person {number} has {len(closure.records)} records, more than the {MOST_RECORDS} a person can have;"
                " look at the profile first (`cdp identity explain`).",
            )
    if allow_many or not settings.warehouse.exists():
        return None
    touched = {profile for closure in closures for profile in closure.profiles}
    profiles = _profiles(settings)
    if len(touched) > max(FEW, MOST_SHARE * profiles):
        return Obstacle(
            Refusal.MATCHES_TOO_MUCH,
            f"The request would erase {len(touched):,} of {profiles:,} profiles; repeat it with --allow-many if that is"
            " meant.",
        )
    return None


def frozen(register: Register, settings: Settings, request: str) -> list[Closure]:
    """The closures in a request's plan, found and kept there first when they are not. Stopped by an obstacle."""
    work = Work.resume(settings.privacy, request)
    if work.content.get("closures") is not None:
        return [Closure.from_json(one) for one in work.content["closures"]]
    known = register.read(request)
    found = closures_of(settings, parse_all(work.content["subjects"]))
    stopped = obstacle(settings, found, allow_many=known.allow_many)
    if stopped:
        raise Stopped(stopped)
    keep(register, settings, request, found)
    return found


def looked_at_again(register: Register, settings: Settings, request: str) -> list[Closure]:
    """The closures of a request that is about to be carried out: those in its plan, and what has joined them since.

    Nothing is looked at again once something was done. Stopped by an obstacle, as when the request was made.
    """
    before = frozen(register, settings, request)
    work = Work.resume(settings.privacy, request)
    if work.content["done"] or not settings.warehouse.exists():
        return before
    now = closures_of(settings, [closure.named for closure in before], before)
    stopped = obstacle(settings, now, allow_many=register.read(request).allow_many)
    if stopped:
        raise Stopped(stopped)
    joined = sum(len(set(after.records).difference(one.records)) for one, after in zip(before, now, strict=True))
    keep(register, settings, request, now, joined=work.content.get("joined", 0) + joined)
    return now


def keep(
    register: Register, settings: Settings, request: str, closures: Sequence[Closure], *, joined: int = 0
) -> Request:
    """Put closures into a request's plan, with the number of records that joined them since they were shown.

    Under the register's lock, so that a cancelled one gets no plan again.
    """

    def keeping(one: Request) -> Request:
        work = Work.resume(settings.privacy, request)
        work.content["closures"] = [closure.to_json() for closure in closures]
        work.content["joined"] = joined
        work.save()
        return replace(one, doubtful=sum(len(closure.doubtful) for closure in closures))

    return register.change(request, keeping)


def _profiles(settings: Settings) -> int:
    engine = open_engine(settings)
    there = "select count(*) from duckdb_tables() where schema_name = 'identity' and table_name = 'golden'"
    if not next(engine.rows(there))[0]:
        return 0
    return int(next(engine.rows("select count(*) from identity.golden"))[0])
