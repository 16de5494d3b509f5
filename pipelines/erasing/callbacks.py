"""Tells the controllers of OpenDSR how their requests go on: one pass over what is due, signed like every answer.

What is due follows from the register, so a kill loses nothing; one that comes between a call and its note calls again.
No receiver can fail what calls this, nor hold it longer than its time: an address of a host that failed waits for the
next pass.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cdp.clock import stopwatch, wall_now
from cdp.errors import CdpError, InputError
from cdp.outbound import Guard, Refused, Unreachable, post
from cdp.settings import Settings
from cdp.store import open_store
from pipelines.context import Progress, quiet
from pipelines.erasing.requests import PIPELINE, audit
from privacy.opendsr import callbacks, certificate
from privacy.opendsr.callbacks import Callback
from privacy.opendsr.certificate import Signer
from privacy.opendsr.words import DIALECTS
from privacy.register import FOLDER, Register
from privacy.requests.request import Request

# The longest that a pass takes, and one call in it.
SECONDS = 60.0
CALL_SECONDS = 10.0
_DELIVERED = range(200, 300)


@dataclass
class Called:
    """How many calls were taken, will be tried again, and were given up."""

    taken: int = 0
    later: int = 0
    given_up: int = 0


def call_back(settings: Settings, progress: Progress = quiet, *, seconds: float = SECONDS) -> Called:
    """One pass; what cannot be told now is told by a later one. Says in a sentence why nothing can be told at all."""
    register = Register(settings.privacy)
    try:
        with _alone(settings.privacy) as is_alone:
            due = [one.request for one in register.all() if callbacks.waiting(one, wall_now())] if is_alone else []
            if due:
                return _Pass(settings, register, _signer(settings), progress).over(due, seconds)
    except CdpError as error:
        progress(f"Controllers were not called back: {error.message}")
    return Called()


@dataclass
class _Pass:
    """What a pass works with, what came of it, and the hosts that failed in it."""

    settings: Settings
    register: Register
    signer: Signer
    progress: Progress
    done: Called = field(default_factory=Called)
    failing: set[str] = field(default_factory=set)

    def over(self, requests: list[str], seconds: float) -> Called:
        guard, started = Guard.listed(self.settings.outbound_allow), stopwatch()
        for name in requests:
            # Each call may make the next change of the same request due.
            while (found := self._next(name)) is not None:
                if stopwatch() - started > seconds:
                    return self.done
                one, callback = found
                self._note(one, callback, _call(guard, one, callback, self.signer))
        return self.done

    def _next(self, name: str) -> tuple[Request, Callback] | None:
        one = self.register.read(name)
        waiting = callbacks.waiting(one, wall_now())
        return next(((one, found) for found in waiting if _host(found.url) not in self.failing), None)

    def _note(self, one: Request, callback: Callback, code: str) -> None:
        if not code:
            self.register.change(one.request, lambda known: callbacks.taken(known, callback))
            self.done.taken += 1
            return
        self.failing.add(_host(callback.url))
        now = wall_now()
        self.register.change(one.request, lambda known: callbacks.failed(known, callback, now))
        if not callbacks.is_last(callback):
            self.done.later += 1
            # At once, and not after days: what is wrong is often on our side, a network that may not be called.
            self.progress(
                f"Request {one.request}: its controller could not be called back ({code}); it is tried again."
            )
            return
        self.done.given_up += 1
        self.progress(f"Request {one.request}: its controller could not be called back ({code}); tell them otherwise.")
        with open_store(self.settings.database_url) as store:
            audit(store, PIPELINE, "callback_given_up", one, code=code)


def _call(guard: Guard, one: Request, callback: Callback, signer: Signer) -> str:
    """Why an address was not told, as a code; empty when it was."""
    dialect = DIALECTS[one.origin["version"]]
    said = json.dumps(callbacks.body(one, callback, signer.domain)).encode()
    headers = {
        "Content-Type": "application/json",
        dialect.domain_header: signer.domain,
        dialect.signature_header: signer.sign(said),
    }
    try:
        status = post(guard, callback.url, said, headers, seconds=CALL_SECONDS).status
    except (Refused, Unreachable) as failure:
        return failure.code
    except InputError:
        return "bad_url"
    return "" if status in _DELIVERED else f"http_{status}"


def _signer(settings: Settings) -> Signer:
    signer = certificate.load(settings.opendsr_certificate, settings.opendsr_key)
    if signer is None:
        raise InputError(f"set {certificate.CERTIFICATE} and {certificate.KEY}, with which callbacks are signed.")
    if not signer.holds(wall_now()):
        raise InputError(f"the certificate in {certificate.CERTIFICATE} is not valid today; renew it.")
    return signer


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()


@contextmanager
def _alone(privacy: Path) -> Iterator[bool]:
    """Whether no other process calls meanwhile: two would tell everything twice."""
    folder = privacy / FOLDER
    if not folder.is_dir():
        yield False
        return
    handle = os.open(folder / ".callbacks", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)
