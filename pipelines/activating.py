"""What a publication sets off: firings of triggers that are due. Messages then wait in the outbox for `cdp deliver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdp.settings import Settings

if TYPE_CHECKING:
    from activation.triggers import Ran


def run_triggers(settings: Settings) -> list[Ran]:
    """Decide the firings that are due at the data's now; a firing that waited through a kill is decided by the next."""
    from activation import triggers
    from cdp.store.outbox import Outbox

    outbox = Outbox(settings.database_url)
    try:
        return triggers.run(outbox, settings.clock.now())
    finally:
        outbox.close()
