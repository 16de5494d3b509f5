"""Webhooks: a signed request per message, and what an answer means.

The signature is that of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in base64, under the secret after
`whsec_`. Receivers tell repeated messages by `webhook-id`, and old ones by `webhook-timestamp`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from activation.config import Webhook
from activation.message import Message, audience, wayfinder
from activation.outcome import Outcome
from cdp.errors import InputError
from cdp.outbound import Answer, Guard, Refused, Unreachable, post

PREFIX = "whsec_"
# Asked to wait: timeout, too early, too many requests.
_LATER = frozenset({408, 425, 429})
LONGEST_WAIT = 86_400.0


def new_secret() -> str:
    """A secret for signing, with 256 bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def require_secret(secret: str) -> None:
    """InputError for a secret that cannot sign."""
    try:
        raw = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not secret.startswith(PREFIX) or not 24 <= len(raw) <= 64:
        raise InputError("The secret of a webhook is whsec_ and 24 to 64 bytes in base64; leave it out to get one.")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def body_of(config: Webhook, message: Message, titles: Mapping[str, str]) -> bytes:
    """What is sent, in the receiver's form."""
    return (audience if config.body == "audience" else wayfinder)(message, titles)


def send(config: Webhook, secret: str, message: Message, body: bytes, *, guard: Guard, now: datetime) -> Outcome:
    """Send one message once."""
    return send_body(config, secret, message.delivery.message_id, body, guard=guard, now=now)


def send_body(config: Webhook, secret: str, message_id: str, body: bytes, *, guard: Guard, now: datetime) -> Outcome:
    """Send a body under a message id, signed."""
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Wayfinder",
        "Idempotency-Key": message_id,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }
    try:
        return judged(post(guard, config.url, body, headers), now)
    except Refused as refused:
        return Outcome("dead", refused.code)
    except Unreachable as failure:
        return Outcome("retry", failure.code)
    except InputError:
        return Outcome("dead", "bad_url")


def judged(answer: Answer, now: datetime) -> Outcome:
    """2xx is taken; 5xx, 408, 425 and 429 may pass; anything else, redirects too, will not get better by itself."""
    code = f"http_{answer.status}"
    if 200 <= answer.status < 300:
        return Outcome("taken")
    if answer.status >= 500 or answer.status in _LATER:
        return Outcome("retry", code, _wait(answer.headers.get("retry-after", ""), now))
    return Outcome("dead", code)


def _wait(value: str, now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date; None when it asks nothing sensible."""
    try:
        seconds = float(value) if value.isascii() and value.isdigit() else _until(value, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _until(value: str, now: datetime) -> float:
    moment = parsedate_to_datetime(value)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
