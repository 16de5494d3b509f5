"""Working queues off: one thread per destination, so that a dead receiver holds up nobody else's messages.

A webhook's messages go one by one, each judged right before it is sent; files and tables take batches. After an attempt
that failed for the receiver's sake (no connection, 5xx) the pass ends: the others would fail as well.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from activation import config as configs
from activation import files, tables, webhook
from activation.message import Message, build, judge
from activation.outcome import Outcome
from cdp.clock import stopwatch, wall_now
from cdp.errors import CdpError
from cdp.outbound import Guard
from cdp.store import destinations as kept
from cdp.store.base import UnavailableError
from cdp.store.destinations import Destination
from cdp.store.outbox import Delivery, Outbox
from cdp.store.schema import segments

BATCH = 500
FIRST_WAIT = 5.0
LONGEST_WAIT = 3_600.0
MOST_ATTEMPTS = 15
# After so many failures one after the other nothing more is tried in this pass.
GIVE_UP_AFTER = 3
# Threads are made when they are needed.
MOST_QUEUES = 1_000


@dataclass
class Pass:
    """What one pass over a queue did: messages by what became of them, and the codes of failures."""

    destination: str
    delivered: int = 0
    withheld: int = 0
    superseded: int = 0
    retried: int = 0
    dead: int = 0
    busy: bool = False
    problem: str | None = None
    codes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """`guard` says what may be called, `seconds` how long a pass may take, `sleep` how to wait for a rate limit.

    `stop` ends passes after the message that is under way, also while they wait.
    """

    guard: Guard = field(default_factory=Guard)
    seconds: float = 300.0
    now: Callable[[], datetime] = wall_now
    sleep: Callable[[float], None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)


def deliver(url: str, options: Options, *, only: str | None = None) -> list[Pass]:
    """One pass over the queues of all destinations that are switched on, or of one; all at the same time.

    Nobody's failure reaches another queue; what went wrong is in the answer.
    """
    outbox = Outbox(url)
    try:
        found = [kept.read(outbox, only)] if only else kept.read_all(outbox)
    finally:
        outbox.close()
    wanted = [one for one in found if one.enabled]
    if not wanted:
        return []
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        return list(pool.map(lambda one: _guarded(url, one, options), wanted))


def follow(
    url: str, options: Options, tell: Callable[[Pass], None], *, only: str | None = None, every: float = 5.0
) -> None:
    """Pass after pass over every queue until `options.stop`, `every` seconds after the former one of that queue ended.

    Queues do not wait for each other, so one with a receiver that answers nobody slows no other. Destinations that are
    made, changed or switched off meanwhile count from the next pass on. A store that does not answer is asked again.
    """
    rest: dict[str, float] = {}
    working: dict[str, Future[Pass]] = {}
    outbox = Outbox(url)
    with closing(outbox), ThreadPoolExecutor(max_workers=MOST_QUEUES) as pool:
        while not options.stop.is_set():
            for key in [key for key, future in working.items() if future.done()]:
                tell(working.pop(key).result())
                rest[key] = stopwatch() + every
            try:
                found = [kept.read(outbox, only)] if only else kept.read_all(outbox)
            except UnavailableError as error:
                tell(Pass(only or "all", problem=error.message))
                options.stop.wait(every)
                continue
            for one in found:
                if one.enabled and one.key not in working and rest.get(one.key, 0.0) <= stopwatch():
                    working[one.key] = pool.submit(_guarded, url, one, options)
            options.stop.wait(min(every, 0.5))
    for future in working.values():
        tell(future.result())


def _guarded(url: str, destination: Destination, options: Options) -> Pass:
    outbox = Outbox(url)
    try:
        return _Queue(outbox, destination, options).work()
    except CdpError as error:
        return Pass(destination.key, problem=str(error))
    except Exception as error:
        # Nobody's mistake reaches another queue, ours neither. Messages of libraries may quote people: only the kind.
        return Pass(destination.key, problem=f"The pass ended unexpectedly ({type(error).__name__}); nothing is lost.")
    finally:
        outbox.close()


class _Queue:
    """The queue of one destination, worked by one thread."""

    def __init__(self, outbox: Outbox, destination: Destination, options: Options) -> None:
        self._outbox = outbox
        self._destination = destination
        self._options = options
        self._config = configs.parse(destination.config)
        self._owner = secrets.token_hex(8)
        self._failures = 0
        self._enough = False
        self._last_sent: float | None = None
        self._done = Pass(destination.key)

    def work(self) -> Pass:
        """Until nothing is due, the time is over, or the receiver does not answer."""
        key, until = self._destination.key, stopwatch() + self._options.seconds
        if not self._outbox.lease(key, self._owner, self._options.now()):
            self._done.busy = True
            return self._done
        try:
            kept.refit(self._outbox, key, self._options.now())
            titles = self._titles()
            while self._goes_on(until):
                rows = self._outbox.due(key, self._options.now(), min(BATCH, self._config.per_minute or BATCH))
                if not rows:
                    break
                if isinstance(self._config, configs.Webhook):
                    self._one_by_one(self._config, rows, titles, until)
                else:
                    self._together(self._config, rows, until)
                if not self._outbox.lease(key, self._owner, self._options.now()):
                    break
        finally:
            self._outbox.release(key, self._owner)
        return self._done

    def _one_by_one(
        self, config: configs.Webhook, rows: list[Delivery], titles: Mapping[str, str], until: float
    ) -> None:
        renewed = stopwatch()
        for one in rows:
            if not self._goes_on(until):
                return
            if stopwatch() - renewed > 20:
                if not self._outbox.lease(self._destination.key, self._owner, self._options.now()):
                    return
                renewed = stopwatch()
            if not self._paced(1, until):
                return
            if (message := self._ready(one)) is None:
                continue
            self._last_sent = stopwatch()
            secret = self._destination.secret or ""
            body = webhook.body_of(config, message, titles)
            guard, now = self._options.guard, self._options.now()
            outcome = webhook.send(config, secret, message, body, guard=guard, now=now)
            self._settle([message], outcome)

    def _goes_on(self, until: float) -> bool:
        over = self._enough or self._failures >= GIVE_UP_AFTER or self._options.stop.is_set()
        return not over and stopwatch() < until

    def _together(self, config: configs.Files | configs.Table, rows: list[Delivery], until: float) -> None:
        if not self._paced(len(rows), until):
            return
        messages = [message for one in rows if (message := self._ready(one)) is not None]
        if not messages:
            return
        self._last_sent = stopwatch()
        if isinstance(config, configs.Files):
            outcome = files.send(config, self._destination.key, messages)
        else:
            outcome = tables.send(config, self._destination.secret or "", messages)
        self._settle(messages, outcome)

    def _ready(self, one: Delivery) -> Message | None:
        """The message as it is true now; None when there is nothing to tell, which is noted."""
        standing = self._outbox.standing(one)
        verdict = judge(one, standing)
        if verdict.send is None:
            self._outbox.closed(one, verdict.otherwise, self._options.now())
            setattr(self._done, verdict.otherwise, getattr(self._done, verdict.otherwise) + 1)
            return None
        return build(one, verdict, standing, self._config.fields)

    def _settle(self, messages: list[Message], outcome: Outcome) -> None:
        now = self._options.now()
        if outcome.result == "taken":
            self._failures = 0
            self._done.delivered += len(messages)
            self._outbox.delivered([(message.delivery, message.told_as) for message in messages], now)
            return
        self._done.codes[outcome.code] = self._done.codes.get(outcome.code, 0) + len(messages)
        if outcome.result == "retry":
            self._failures += 1
        for message in messages:
            due = self._due(message.delivery, outcome, now)
            self._outbox.failed(message.delivery, outcome.code, due_at=due, now=now)
            self._done.retried += due is not None
            self._done.dead += due is None

    @staticmethod
    def _due(one: Delivery, outcome: Outcome, now: datetime) -> datetime | None:
        if outcome.result == "dead" or one.attempts + 1 >= MOST_ATTEMPTS:
            return None
        wait = outcome.wait if outcome.wait is not None else back_off(one.message_id, one.attempts)
        return now + timedelta(seconds=wait)

    def _paced(self, messages: int, until: float) -> bool:
        """Wait so that no more than `per_minute` messages go out in a minute; False when the pass ends before.

        Messages are judged afterwards: what was taken back meanwhile is not sent.
        """
        if self._config.per_minute is None:
            return True
        if self._last_sent is None:
            self._last_sent = self._sent_before()
        wait = self._last_sent + 60.0 * messages / self._config.per_minute - stopwatch()
        self._enough = wait > 0 and stopwatch() + wait > until
        if self._enough:
            return False
        if wait > 0:
            (self._options.sleep or self._options.stop.wait)(wait)
        return not self._options.stop.is_set()

    def _sent_before(self) -> float:
        """When a former pass sent the last message, on the stopwatch."""
        last = self._outbox.last_delivered(self._destination.key)
        since = (self._options.now() - last).total_seconds() if last is not None else math.inf
        return stopwatch() - max(since, 0.0)

    def _titles(self) -> dict[str, str]:
        with self._outbox.reading() as connection:
            rows = connection.execute(sa.select(segments.c.key, segments.c.title))
            return {str(row[0]): str(row[1]) for row in rows}


def back_off(message_id: str, attempts: int) -> float:
    """Seconds to wait after a number of failed attempts: doubling from `FIRST_WAIT`, at most `LONGEST_WAIT`.

    Spread by up to a fifth either way, by the message's id: messages that failed together do not come back together.
    """
    spread = int.from_bytes(hashlib.sha256(f"{message_id}{attempts}".encode()).digest()[:4], "big") / 2**32
    return float(min(FIRST_WAIT * 2.0**attempts, LONGEST_WAIT) * (0.8 + 0.4 * spread))
