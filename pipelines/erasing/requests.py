"""Requests on a state home: made, shown, carried out, reminded of.

The register keeps a request without personal data; whom it means is in the encrypted plan until it is done. Nothing
here says whether a person exists to someone who may not know: the answer to a request is the same sentence either way.
Erasures, access and portability are carried out; the other kinds are answered by people, who note it in the register.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from cdp.clock import wall_now
from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry, Store
from pipelines.context import Progress, quiet
from pipelines.erasing import freezing, holding
from pipelines.erasing.freezing import Stopped, parse, parse_all
from pipelines.lock import writer_lock
from pipelines.packaging import making
from pipelines.retaining import copies
from privacy import policy, receipts
from privacy.closure import Closure, Named
from privacy.naming import PROFILE, living
from privacy.register import Asked, Register
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import CARRIED_OUT, Kind, State, Verification
from privacy.work import Work

__all__ = ["ANSWER", "Request", "execute", "parse", "read", "read_all", "run_all", "scope", "submit"]

ANSWER = "If we held data about this person, it has been erased, apart from what this receipt names as kept."
PIPELINE = "pipeline"
COMMAND_LINE = "command line"


def submit(
    settings: Settings,
    subjects: Sequence[Sequence[str]],
    *,
    kind: Kind = Kind.ERASURE,
    rules: str | None = None,
    actor: str = COMMAND_LINE,
    allow_many: bool = False,
    progress: Progress = quiet,
) -> tuple[Request, list[Closure]]:
    """Keep a request, verified by the operator and approved unless that takes four eyes, and freeze whom it means.

    An open request that asks the same is answered instead of a new one. Raises InputError for identifiers that cannot
    be, ConflictError when they lead to two people, when the request would match too much, and when another process
    writes; nothing is kept then.
    """
    named = parse_all(subjects)
    rule = policy.load(settings)
    register = Register(settings.privacy)
    with writer_lock(settings.writer_lock):
        progress("finding whom the request means …")
        closures = freezing.closures_of(settings, named)
        stopped = freezing.obstacle(settings, closures, allow_many=allow_many)
        if stopped:
            raise Stopped(stopped)
        now = wall_now()
        with open_store(settings.database_url) as store:
            asked = Asked(kind, subjects, [[_normal(store, one) for one in person] for person in named], rules)
            made, is_new = register.receive(asked, actor=actor, now=now, policy=rule)
            if made.state is State.RECEIVED:
                made = register.change(
                    made.request, partial(acts.verify, how=Verification.OPERATOR, actor=actor, now=now)
                )
            if Work.resume(settings.privacy, made.request).content.get("closures") is None:
                made = freezing.keep(register, settings, made.request, closures)
            if made.state is State.VERIFIED and not (rule.four_eyes and kind is Kind.ERASURE):
                approve = partial(acts.approve, actor=actor, now=now, four_eyes=rule.four_eyes, allow_many=allow_many)
                made = register.change(made.request, approve)
            audit(store, actor, "received" if is_new else "repeated", made, kind=made.kind, people=made.subjects)
        closures = freezing.frozen(register, settings, made.request)
    return made, closures


def scope(settings: Settings, subjects: Sequence[Sequence[str]]) -> dict[str, Any]:
    """A dry run: rows by table and the doubtful records, with nothing changed and nothing kept."""
    from pipelines.erasing.keys import install
    from privacy.erasure import database
    from privacy.inventory.load import load

    named = parse_all(subjects)
    with writer_lock(settings.writer_lock):
        closures = freezing.closures_of(settings, named)
        stopped = freezing.obstacle(settings, closures, allow_many=True)
        if stopped:
            raise Stopped(stopped)
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
    """Carry a request out, or go on where it was interrupted; returns the signed receipt, or `{"package": …}`.

    ConflictError for a request that is not approved or of a kind that a person answers, and when it turns out whom it
    means and that stops it (it is refused then).
    """
    known = read(settings, request)
    with writer_lock(settings.writer_lock):
        if known.state in (State.COMPLETED, State.PARTIAL):
            return _done(settings, known)
        return _carry_out(settings, known, progress)


def run_all(
    settings: Settings, *, kinds: Collection[Kind] = CARRIED_OUT, progress: Progress = quiet
) -> list[dict[str, Any]]:
    """Carry out what is approved or half done, oldest first, freeze whom verified requests mean, remind.

    First what legal holds kept is erased whose time is over, and exports, logs and packages go that were kept long
    enough. Returns signed receipts, and `{"package": …}` for each package. `kinds` restricts what is carried out.
    """
    register = Register(settings.privacy)
    register.sweep()
    copies.run(settings, progress)
    making.expire(settings, progress)
    remind(settings, register, progress)
    ended = holding.end_due(settings, progress)
    holding.look_up(settings)
    return ended + _carry_out_waiting(settings, register, kinds, progress)


def _carry_out_waiting(
    settings: Settings, register: Register, kinds: Collection[Kind], progress: Progress
) -> list[dict[str, Any]]:
    """What `run_all` returns. One that is stopped by whom it means is refused, and the others go on."""
    # Whom each means is looked up before anybody is erased: identifiers of two people stay those of two.
    for one in register.open_ones():
        if one.kind in CARRIED_OUT and one.state in (State.VERIFIED, State.APPROVED):
            with _unless_closed(register, one, progress):
                _look_up(settings, register, one, progress)
    signed = []
    for one in register.open_ones():
        if one.kind not in kinds or one.state not in (State.APPROVED, State.EXECUTING):
            continue
        with _unless_closed(register, one, progress):
            try:
                with writer_lock(settings.writer_lock):
                    if one.state is State.EXECUTING:
                        progress(f"finishing the interrupted request {one.request} …")
                    signed.append(_carry_out(settings, one, progress))
            except Stopped as error:
                progress(f"Request {one.request}: {error.message}")
    return signed


@contextmanager
def _unless_closed(register: Register, one: Request, progress: Progress) -> Iterator[None]:
    """Pass over what cannot be done because somebody cancelled or refused the request since it was read.

    One whose plan is lost, or whose identifiers this version cannot read, is told of: the others are owed their answer
    too.
    """
    try:
        yield
    except ConflictError:
        if register.read(one.request).is_open:
            raise
    except (InputError, NotFoundError) as error:
        if register.read(one.request).is_open:
            progress(f"Request {one.request}: {error.message}")


def _look_up(settings: Settings, register: Register, one: Request, progress: Progress) -> None:
    """Freeze whom a request means, for whoever approves it; an approved one that is stopped is refused."""
    try:
        with writer_lock(settings.writer_lock):
            freezing.frozen(register, settings, one.request)
    except Stopped as error:
        progress(f"Request {one.request}: {error.message}")
        if one.state is State.APPROVED:
            _refuse(settings, register, one, acts.refuse, error)


def _refuse(
    settings: Settings, register: Register, one: Request, action: Callable[..., Request], error: Stopped
) -> None:  # fmt: skip
    """Note that a request is stopped by whom it means."""
    refused = register.change(one.request, partial(action, why=error.code, actor=PIPELINE, now=wall_now()))
    with open_store(settings.database_url) as store:
        audit(store, PIPELINE, "refused", refused, reason=str(error.code))


def remind(settings: Settings, register: Register, progress: Progress = quiet) -> list[tuple[str, str]]:
    """Say once what is due soon or overdue: request and code, also kept in its history and the audit log."""
    now = wall_now()
    found = [(one.request, code) for one in register.open_ones() for code in acts.reminders(one, now)]
    if found:
        days = policy.load(settings).days
        with open_store(settings.database_url) as store:
            for name, code in found:
                one = register.change(name, partial(acts.remind, code=code, actor=PIPELINE, now=now))
                audit(store, PIPELINE, "reminded", one, code=code)
                progress(f"Request {name} ({one.kind}, {one.status}) is due on {acts.last_day(one, days)}: {code}.")
    return found


def read(settings: Settings, request: str) -> Request:
    """A request by its id. NotFoundError when there is none."""
    return Register(settings.privacy).read(request)


def read_all(settings: Settings) -> list[Request]:
    """All requests, oldest first."""
    return Register(settings.privacy).all()


def audit(store: Store, actor: str, action: str, request: Request, **detail: Any) -> None:
    """Keep what was done to a request in the audit log."""
    name = f"privacy.request.{action}"
    store.append_audit([AuditEntry(secrets.token_hex(16), wall_now(), actor, name, request.request, detail)])


def _carry_out(settings: Settings, request: Request, progress: Progress) -> dict[str, Any]:
    if request.kind not in CARRIED_OUT:
        raise ConflictError(f"Request {request.request} asks for {request.kind}: a person answers it.")
    register = Register(settings.privacy)
    if request.state is State.APPROVED:
        # What cannot be read stays approved, so that it can still be refused or cancelled.
        parse_all(Work.resume(settings.privacy, request.request).content["subjects"])
    register.change(request.request, partial(acts.begin, actor=PIPELINE, now=wall_now()))
    try:
        Work.resume(settings.privacy, request.request)
    except NotFoundError:
        # Killed between the receipt and the last note: the plan is gone because all was done.
        signed = _done(settings, request)
    else:
        try:
            freezing.looked_at_again(register, settings, request.request)
        except Stopped as error:
            _refuse(settings, register, request, acts.give_up, error)
            raise
        signed = _do(settings, request, Work.resume(settings.privacy, request.request), progress)
    finish = partial(acts.complete, actor=PIPELINE, now=wall_now())
    if "receipt" in signed:
        body = signed["receipt"]
        finish = partial(finish, partial=body["status"] == "partial", held=bool(body["extra"].get("holds")))
    register.change(request.request, finish)
    return signed


def _do(settings: Settings, request: Request, work: Work, progress: Progress) -> dict[str, Any]:
    """What is asked for, for the people in the plan."""
    from pipelines.erasing.execution import Execution

    if request.kind == Kind.ERASURE:
        return Execution(settings, work, progress).run()
    (closure,) = [Closure.from_json(one) for one in work.content["closures"]]
    return {"package": making.told(making.make(settings, request, closure, progress))}


def _done(settings: Settings, request: Request) -> dict[str, Any]:
    """What was done: the receipt, or the record of the package."""
    if request.kind == Kind.ERASURE:
        return receipts.read(settings.privacy, request.request)
    return {"package": making.told(making.vault_of(settings).record(request.request))}


def _normal(store: Store, named: Named) -> tuple[str, str]:
    """What a repeated request is recognised by; a profile that was merged is the one it lives on as."""
    if named.kind != PROFILE:
        return named.kind, named.value
    return PROFILE, living(store, named.value)
