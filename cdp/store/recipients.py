"""Who was given an erased person, and knows by now that they are erased (GDPR Art. 19).

The messages are written by the erasure itself (`cdp.store.forgetting`) and sent like all others. What became of them is
counted here by destination; once a receiver knows, nothing names the person any more.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import sqlalchemy as sa

from cdp.store.delivery_tables import deliveries
from cdp.store.outbox import Outbox

# How the states of messages about an erasure read in the answer to a person.
_WORDS = {"delivered": "told", "pending": "pending", "dead": "failed"}


def standing(url: str, request: str) -> list[dict[str, Any]]:
    """By `destination`, how many messages about an erasure were `told`, are `pending`, or `failed` until a replay.

    A destination is told once for each id under which it knows one of the people.
    """
    statement = (
        sa.select(deliveries.c.destination_key, deliveries.c.state, sa.func.count())
        .where(deliveries.c.request == request, deliveries.c.state.in_(_WORDS))
        .group_by(deliveries.c.destination_key, deliveries.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    with closing(Outbox(url)) as outbox, outbox.reading() as connection:
        for row in connection.execute(statement):
            found.setdefault(str(row[0]), dict.fromkeys(_WORDS.values(), 0))[_WORDS[row[1]]] = int(row[2])
    return [{"destination": key, **counted} for key, counted in sorted(found.items())]
