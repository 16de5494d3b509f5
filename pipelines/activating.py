"""What a publication sets off: firings of triggers that are due, a pass over the queues of destinations, and callbacks.

What could not be delivered waits in the outbox for `cdp deliver` or the next run; no receiver can fail a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdp.clock import stopwatch
from cdp.errors import CdpError
from cdp.settings import Settings
from pipelines.context import Progress, StepReport

if TYPE_CHECKING:
    from activation.triggers import Ran

# The longest that a run waits for receivers.
SECONDS = 60.0


def run_triggers(settings: Settings) -> list[Ran]:
    """Decide the firings that are due at the data's now; a firing that waited through a kill is decided by the next."""
    from activation import triggers
    from cdp.store.outbox import Outbox

    outbox = Outbox(settings.database_url)
    try:
        return triggers.run(outbox, settings.clock.now())
    finally:
        outbox.close()


def deliver_waiting(settings: Settings, progress: Progress) -> list[StepReport]:
    """One pass over all queues; nothing to account for when there is no destination that is switched on."""
    from activation.worker import Options, deliver
    from cdp.outbound import Guard

    started = stopwatch()
    try:
        options = Options(guard=Guard.listed(settings.outbound_allow), seconds=SECONDS)
        done = deliver(settings.database_url, options)
    except CdpError as error:
        progress(f"Destinations were not told: {error.message}")
        return []
    for one in done:
        if one.problem:
            progress(f"Destination {one.destination} was not told: {one.problem}")
    if not done:
        return []
    waiting = sum(one.retried for one in done)
    detail = f"(to {len(done)} destinations{f', {waiting} to be tried again' if waiting else ''})"
    return [StepReport("deliver", sum(one.delivered for one in done), round(stopwatch() - started, 2), detail)]


def call_back_waiting(settings: Settings, progress: Progress) -> list[StepReport]:
    """Tell controllers how their requests go on; nothing to account for when there was nothing to tell."""
    from pipelines.erasing.callbacks import call_back

    started = stopwatch()
    done = call_back(settings, progress)
    if not (done.taken or done.later or done.given_up):
        return []
    detail = f"(to controllers{f', {done.later} to be tried again' if done.later else ''})"
    return [StepReport("callbacks", done.taken, round(stopwatch() - started, 2), detail)]
