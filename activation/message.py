"""What is told of a change: decided at the moment of sending, and written in the receiver's form.

An exit names the person by id only: it may be there because they may not be used any more, or are erased. That somebody
was erased (GDPR Art. 19) is told by id too, to everybody who was ever given them, whatever the person agreed to. So is
that the use of their data is restricted, or which fields were put right: with values only where they may be given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from activation.config import value_at
from cdp.store.delivery_tables import NOTICES
from cdp.store.outbox import Delivery, Standing


@dataclass(frozen=True)
class Verdict:
    """`send` as this kind, or why not: `withheld`, `superseded`; `bare` when nothing of the profile may be told."""

    send: str | None
    otherwise: str = ""
    bare: bool = False


def judge(one: Delivery, now: Standing) -> Verdict:
    """Whether a message is still true and allowed.

    Nobody is told of whom the segment's purpose may not reach now, whatever was true when the message was queued; a
    receiver that holds such a person is told the exit. An exit goes to whoever was told of the entry. What a later
    message has overtaken stays unsent.
    """
    if one.kind in ("erased", *NOTICES):
        return _judge_right(one, now)
    if now.outrun:
        return Verdict(None, "superseded")
    if one.kind == "exited":
        return Verdict("exited", bare=True) if now.held else Verdict(None, "superseded")
    if now.allowed and now.document is not None:
        return Verdict("entered" if one.kind == "carried" and not now.former_held else one.kind)
    if (one.kind == "carried" and now.former_held) or (one.kind == "entered" and now.held):
        return Verdict("exited", bare=True)
    return Verdict(None, "withheld" if now.member else "superseded")


def _judge_right(one: Delivery, now: Standing) -> Verdict:
    if one.kind == "erased":
        # Of somebody who lives nothing of the kind is true.
        true = now.document is None
    elif one.kind == "rectified":
        # Of a correction that was erased there is nothing left to tell.
        true = bool(now.corrected)
    else:
        true = not now.outrun
    bare = one.kind != "rectified" or not now.allowed
    return Verdict(one.kind, bare=bare) if true else Verdict(None, "superseded")


@dataclass(frozen=True)
class Message:
    """A message as it is sent: what is told, of whom, and the fields that the receiver asked for.

    `corrected` are the fields that were put right, by the names of corrections.
    """

    delivery: Delivery
    told_as: str
    fields: Mapping[str, Any]
    corrected: tuple[str, ...] = ()

    @property
    def profile_id(self) -> str:
        """Whom it is about; an exit in place of a merge is about the id of before."""
        carried_out = self.told_as == "exited" and self.delivery.former_id is not None
        return str(self.delivery.former_id) if carried_out else self.delivery.profile_id

    @property
    def former_id(self) -> str | None:
        """The id under which the receiver knows the person, when the message tells of a merge."""
        return self.delivery.former_id if self.told_as == "carried" else None

    @property
    def member(self) -> bool:
        """Whether the person is in a segment, after this message and by it."""
        return self.told_as not in ("exited", "erased", *NOTICES)

    @property
    def is_notice(self) -> bool:
        """Whether it is about the rights of somebody who stays, not about a segment."""
        return self.told_as in NOTICES

    def row(self) -> dict[str, Any]:
        """As one flat row."""
        one = self.delivery
        return {
            "message_id": one.message_id,
            "change": self.told_as,
            "segment": one.segment_key,
            "member": self.member,
            "profile_id": self.profile_id,
            "former_profile_id": self.former_id,
            "at": _when(one.at),
            **self.fields,
        }


def build(one: Delivery, verdict: Verdict, now: Standing, fields: Mapping[str, str]) -> Message:
    """The message that was judged, with the fields that the receiver asked for unless it is to be bare."""
    told_as = str(verdict.send)
    if verdict.bare or now.document is None:
        return Message(one, told_as, {}, now.corrected)
    known = json.loads(now.document)
    return Message(one, told_as, {name: value_at(known, path) for name, path in fields.items()}, now.corrected)


# Messages that are about no segment, in our own form; and in Segment's, where they are regulations.
_TYPES = {
    "erased": "profile.erased",
    "rectified": "profile.rectified",
    "restricted": "profile.restricted",
    "lifted": "profile.restriction_lifted",
}
_REGULATIONS = {"erased": "SUPPRESS_WITH_DELETE", "restricted": "SUPPRESS_ONLY", "lifted": "UNSUPPRESS"}


def wayfinder(message: Message, titles: Mapping[str, str]) -> bytes:
    """Our own form: one JSON object."""
    one = message.delivery
    if message.told_as in _TYPES:
        told: dict[str, Any] = {
            "id": one.message_id,
            "type": _TYPES[message.told_as],
            "at": _when(one.at),
            "profile": {"profile_id": message.profile_id, **message.fields},
        }
        return _json({**told, "corrected": list(message.corrected)} if message.told_as == "rectified" else told)
    body: dict[str, Any] = {
        "id": one.message_id,
        "type": f"trigger.{one.trigger_key}" if message.told_as == "trigger" else f"segment.{message.told_as}",
        "at": _when(one.at),
        "segment": {"key": one.segment_key, "title": titles.get(one.segment_key, one.segment_key)},
        "profile": {"profile_id": message.profile_id, **message.fields},
    }
    if message.former_id:
        body["former_profile_id"] = message.former_id
    return _json(body)


def audience(message: Message, titles: Mapping[str, str]) -> bytes:
    """Segment's form: an identify with the membership as a trait and a track, as one batch.

    A merge is an exit of the former id and an entry of the living one; an erasure and a restriction are regulations, a
    correction is a track, after an identify with the values. Sources: Segment's spec of Engage data, and the body of
    `POST /regulations` in its Public API.
    """
    one = message.delivery
    if message.told_as == "rectified":
        return _json({"batch": _rectified(message)})
    if message.told_as in _REGULATIONS:
        return _json(
            {
                "regulationType": _REGULATIONS[message.told_as],
                "subjectType": "USER_ID",
                "subjectIds": [message.profile_id],
            }
        )
    context = {
        "personas": {
            "computation_class": "audience",
            "computation_id": f"wayfinder_{one.segment_key}",
            "computation_key": one.segment_key,
            "namespace": "wayfinder",
            "space_id": "wayfinder",
        }
    }
    people = [(message.profile_id, message.member, message.fields)]
    if message.former_id:
        people.insert(0, (message.former_id, False, {}))
    batch: list[dict[str, Any]] = []
    for profile_id, member, fields in people:
        common = {"userId": profile_id, "timestamp": _when(one.at), "context": context}
        name = f"{one.message_id}-{len(batch)}"
        batch.append(
            {
                "type": "identify",
                "messageId": f"{name}-identify",
                **common,
                "traits": {**fields, one.segment_key: member},
            }
        )
        event = "Trigger Fired" if message.told_as == "trigger" else "Audience Entered" if member else "Audience Exited"
        properties: dict[str, Any] = {"audience_key": one.segment_key, one.segment_key: member}
        if one.trigger_key:
            properties["trigger_key"] = one.trigger_key
        batch.append(
            {"type": "track", "messageId": f"{name}-track", **common, "event": event, "properties": properties}
        )
    return _json({"batch": batch})


def _rectified(message: Message) -> list[dict[str, Any]]:
    one = message.delivery
    common = {"userId": message.profile_id, "timestamp": _when(one.at)}
    track = {"type": "track", "messageId": f"{one.message_id}-track", **common, "event": "Profile Rectified"}
    told = {**track, "properties": {"corrected": list(message.corrected)}}
    if not message.fields:
        return [told]
    identify = {"type": "identify", "messageId": f"{one.message_id}-identify", **common}
    return [{**identify, "traits": dict(message.fields)}, told]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _when(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
