"""Trying a destination out: a message about nobody, so that a mistake shows before people are told of."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any

from activation import config as configs
from activation import files, tables, webhook
from activation.outcome import Outcome
from cdp.outbound import Guard
from cdp.store.destinations import Destination


def probe(destination: Destination, *, guard: Guard, now: datetime) -> Outcome:
    """One attempt, noted nowhere: a webhook gets a signed message, a folder an empty file, a database a question."""
    config = configs.parse(destination.config)
    if isinstance(config, configs.Files):
        return files.reach(config, destination.key)
    if isinstance(config, configs.Table):
        return tables.reach(config, destination.secret or "")
    message_id = f"{destination.key}:test-{secrets.token_hex(6)}"
    body = json.dumps(_body(config, message_id, now), separators=(",", ":")).encode()
    return webhook.send_body(config, destination.secret or "", message_id, body, guard=guard, now=now)


def _body(config: configs.Webhook, message_id: str, now: datetime) -> dict[str, Any]:
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if config.body == "wayfinder":
        return {"id": message_id, "type": "destination.test", "at": at}
    event = {"type": "track", "messageId": message_id, "userId": "wayfinder-test", "timestamp": at}
    return {"batch": [{**event, "event": "Destination Test", "properties": {}}]}
