"""Erasure requests on a state home: made, shown, carried out, verified, lifted.

A request is a small file without personal data; whom it means is in the encrypted plan until it is done. Nothing here
says whether a person exists to someone who may not know: the answer to a request is the same sentence either way.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdp.clock import wall_now
from cdp.engine.duckdb import open_engine
from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.settings import Settings
from identity.config import PIPELINE
from identity.normalise.email import normalise_email
from identity.normalise.lookup import lookup_value
from pipelines.context import Progress, quiet
from pipelines.lock import writer_lock
from privacy.closure import PROFILE, Closure, Named, find
from privacy.work import Work

FOLDER = "requests"
ANSWER = "If we held data about this person, it has been erased, apart from what this receipt names as kept."
# A person has a handful of records; more is a cluster that went wrong, or a value that is no person's.
MOST_RECORDS = 50
# Above this share of all profiles a batch is more likely a mistake than a wish.
MOST_SHARE = 0.05
FEW = 50


@dataclass(frozen=True)
class Request:
    """A request as it is kept: no personal data."""

    request: str
    kind: str
    status: str
    requested_at: str
    subjects: int
    doubtful: int


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


def submit(
    settings: Settings, subjects: Sequence[Sequence[str]], *, allow_many: bool = False, progress: Progress = quiet
) -> tuple[Request, list[Closure]]:
    """Freeze whom the identifiers mean and keep the request, approved.

    Raises InputError for identifiers that cannot be, ConflictError when they lead to two people, when the request would
    match too much, and when another process writes.
    """
    named = [[parse(text) for text in identifiers] for identifiers in subjects]
    if not named or not all(named):
        raise InputError("A request names at least one identifier per person.")
    with writer_lock(settings.writer_lock):
        progress("finding whom the request means …")
        closures = _closures(settings, named)
        _guard(settings, closures, allow_many=allow_many)
        request = Request(
            request=f"er-{wall_now():%Y%m%d}-{secrets.token_hex(6)}",
            kind="erasure",
            status="approved",
            requested_at=wall_now().isoformat(),
            subjects=len(closures),
            doubtful=sum(len(closure.doubtful) for closure in closures),
        )
        content = {
            "requested_at": request.requested_at,
            "closures": [closure.to_json() for closure in closures],
            "done": {},
        }
        _keep(settings, request)
        Work.begin(settings.privacy, request.request, content)
    return request, closures


def scope(settings: Settings, subjects: Sequence[Sequence[str]]) -> dict[str, Any]:
    """A dry run: rows by table and the doubtful records, with nothing changed and nothing kept."""
    from pipelines.erasing.keys import install
    from privacy.erasure import database
    from privacy.inventory.load import load

    named = [[parse(text) for text in identifiers] for identifiers in subjects]
    with writer_lock(settings.writer_lock):
        closures = _closures(settings, named)
        _guard(settings, closures, allow_many=True)
        rows: dict[str, int] = {}
        if settings.warehouse.exists():
            with database.opened(settings.warehouse, {"threads": settings.threads}) as connection:
                install(connection, settings, closures)
                rows = database.matched(connection, load(settings.dbt_project))
    return {
        "subjects": len(closures),
        "records": sum(len(closure.records) for closure in closures),
        "rows": {table: count for table, count in rows.items() if count},
        "doubtful": [vars(doubt) for closure in closures for doubt in closure.doubtful],
    }


def execute(settings: Settings, request: str, *, progress: Progress = quiet) -> dict[str, Any]:
    """Carry a request out, or go on where it was interrupted; returns the signed receipt."""
    from privacy import receipts

    known = read(settings, request)
    with writer_lock(settings.writer_lock):
        if known.status not in ("completed", "partial"):
            signed = _carry_out(settings, known, progress)
        else:
            signed = receipts.read(settings.privacy, request)
    return signed


def run_all(settings: Settings, *, progress: Progress = quiet) -> list[dict[str, Any]]:
    """Carry out everything that is approved or half done, oldest first."""
    waiting = [one.request for one in read_all(settings) if one.status in ("approved", "executing")]
    return [execute(settings, request, progress=progress) for request in waiting]


def finish_interrupted(settings: Settings, progress: Progress = quiet) -> None:
    """Finish erasures that a kill left half done, before anything else is written; the caller holds the lock."""
    for request in read_all(settings):
        if request.status == "executing":
            progress(f"finishing the interrupted erasure {request.request} …")
            _carry_out(settings, request, progress)


def read(settings: Settings, request: str) -> Request:
    """A request by its id. NotFoundError when there is none."""
    path = _path(settings, request)
    if not path.exists():
        raise NotFoundError(f"There is no request {request[:60]}; `cdp privacy list` shows them.")
    return Request(**json.loads(path.read_text(encoding="utf-8")))


def read_all(settings: Settings) -> list[Request]:
    """All requests, oldest first."""
    folder = settings.privacy / FOLDER
    found = [Request(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json")]
    return sorted(found, key=lambda one: (one.requested_at, one.request))


def _carry_out(settings: Settings, request: Request, progress: Progress) -> dict[str, Any]:
    from pipelines.erasing.execution import Execution
    from privacy import receipts

    _keep(settings, Request(**{**asdict(request), "status": "executing"}))
    try:
        work = Work.resume(settings.privacy, request.request)
    except NotFoundError:
        # Killed between the receipt and the last note: the plan is gone because all was done.
        signed = receipts.read(settings.privacy, request.request)
    else:
        signed = Execution(settings, work, progress).run()
    _keep(settings, Request(**{**asdict(request), "status": signed["receipt"]["status"]}))
    return signed


def _closures(settings: Settings, named: Sequence[Sequence[Named]]) -> list[Closure]:
    if not settings.warehouse.exists():
        return [Closure(tuple(one), mailboxes=[n.mailbox for n in one if n.mailbox]) for one in named]
    with open_engine(settings).reader() as connection:
        return find(connection, named, join_weight=PIPELINE.join_weight)


def _guard(settings: Settings, closures: Sequence[Closure], *, allow_many: bool) -> None:
    ambiguous = [number for number, closure in enumerate(closures, start=1) if closure.is_ambiguous]
    if ambiguous:
        raise ConflictError(
            f"The identifiers of person {ambiguous[0]} lead to {len(closures[ambiguous[0] - 1].profiles)} different"
            " people; name one person only, by an identifier that is theirs alone."
        )
    for number, closure in enumerate(closures, start=1):
        if len(closure.records) > MOST_RECORDS:
            raise ConflictError(
                f"Person {number} has {len(closure.records)} records, more than the {MOST_RECORDS} a person can have;"
                " look at the profile first (`cdp identity explain`)."
            )
    if allow_many or not settings.warehouse.exists():
        return
    touched = {profile for closure in closures for profile in closure.profiles}
    profiles = next(
        open_engine(settings).rows(
            "select count(*) from duckdb_tables() where schema_name = 'identity' and table_name = 'golden'"
        )
    )[0]
    if profiles:
        profiles = next(open_engine(settings).rows("select count(*) from identity.golden"))[0]
    if len(touched) > max(FEW, MOST_SHARE * profiles):
        raise ConflictError(
            f"The request would erase {len(touched):,} of {profiles:,} profiles; repeat it with --allow-many if that is"
            " meant."
        )


def _keep(settings: Settings, request: Request) -> None:
    from pipelines.ingest.files import write_whole

    write_whole(_path(settings, request.request), json.dumps(asdict(request), indent=1).encode())


def _path(settings: Settings, request: str) -> Path:
    return settings.privacy / FOLDER / f"{Path(request).name}.json"
