"""Every read of the store, written once, and how its rows become records.

The synchronous store runs these statements through SQLAlchemy, the asynchronous one compiles their text once per
database and hands it to the driver. Row decoding accepts what any of the drivers returns.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

import sqlalchemy as sa

from cdp.store.base import (
    ApiKey,
    AuditEntry,
    AuditRow,
    Membership,
    MembershipChange,
    Publication,
    SegmentRow,
    StoredIdentifier,
    StoredProfile,
)
from cdp.store.schema import (
    api_keys,
    audit,
    identifiers,
    membership_changes,
    memberships,
    moment,
    profiles,
    publications,
    secrets,
    segments,
)

Row = Sequence[Any]

# An index entry on PostgreSQL holds at most 2,704 bytes, and no real identifier is longer than this.
LONGEST_VALUE = 500

CURRENT_PUBLICATION = (
    sa.select(
        publications.c.run_id,
        publications.c.snapshot_file,
        publications.c.as_of,
        publications.c.counts,
        publications.c.fingerprint,
        publications.c.seq,
        publications.c.published_at,
    )
    .order_by(publications.c.seq.desc())
    .limit(1)
)

PROFILE = sa.select(
    profiles.c.profile_id,
    profiles.c.status,
    profiles.c.merged_into,
    profiles.c.document,
    profiles.c.content_hash,
    profiles.c.version,
).where(profiles.c.profile_id == sa.bindparam("profile_id"))

LOOKUP = (
    sa.select(identifiers.c.profile_id)
    .where(identifiers.c.type == sa.bindparam("type"), identifiers.c.value_key == sa.bindparam("value_key"))
    .order_by(identifiers.c.profile_id)
)

IDENTIFIERS = (
    sa.select(identifiers.c.id, identifiers.c.type, identifiers.c.value_key)
    .where(identifiers.c.profile_id == sa.bindparam("profile_id"), identifiers.c.id > sa.bindparam("after"))
    .order_by(identifiers.c.id)
    .limit(sa.bindparam("limit"))
)

SEGMENTS = sa.select(segments).order_by(segments.c.key)

SEGMENT = sa.select(segments).where(segments.c.key == sa.bindparam("key"))

MEMBERSHIPS = (
    sa.select(memberships.c.profile_id, memberships.c.since, memberships.c.exportable)
    .where(memberships.c.segment_key == sa.bindparam("key"), memberships.c.profile_id > sa.bindparam("after"))
    .order_by(memberships.c.profile_id)
    .limit(sa.bindparam("limit"))
)

# By the wanted flag; None wants all.
MEMBERSHIPS_BY_FLAG: dict[bool | None, sa.Select[Any]] = {
    None: MEMBERSHIPS,
    True: MEMBERSHIPS.where(memberships.c.exportable),
    False: MEMBERSHIPS.where(sa.not_(memberships.c.exportable)),
}

CHANGES = (
    sa.select(
        membership_changes.c.seq,
        membership_changes.c.segment_key,
        membership_changes.c.profile_id,
        membership_changes.c.change,
        membership_changes.c.run_id,
        membership_changes.c.at,
        membership_changes.c.reason,
        membership_changes.c.former_id,
    )
    .where(membership_changes.c.seq > sa.bindparam("after"))
    .order_by(membership_changes.c.seq)
    .limit(sa.bindparam("limit"))
)

_KEY_COLUMNS = (
    api_keys.c.id,
    api_keys.c.name,
    api_keys.c.prefix,
    api_keys.c.secret_hash,
    api_keys.c.scopes,
    api_keys.c.created_at,
    api_keys.c.revoked_at,
)
KEYS = sa.select(*_KEY_COLUMNS).order_by(api_keys.c.created_at, api_keys.c.id)

KEY = sa.select(*_KEY_COLUMNS).where(api_keys.c.prefix == sa.bindparam("prefix"))

_AUDIT = sa.select(
    audit.c.seq,
    audit.c.entry_id,
    audit.c.at,
    audit.c.actor,
    audit.c.action,
    audit.c.object,
    audit.c.detail,
    audit.c.previous_hash,
    audit.c.hash,
)
AUDIT = _AUDIT.where(audit.c.seq > sa.bindparam("after")).order_by(audit.c.seq).limit(sa.bindparam("limit"))

LAST_AUDIT = _AUDIT.order_by(audit.c.seq.desc()).limit(1)


def _former_ids() -> sa.Select[Any]:
    chain = (
        sa.select(profiles.c.profile_id)
        .where(profiles.c.merged_into == sa.bindparam("profile_id"))
        .cte("chain", recursive=True)
    )
    before = sa.select(profiles.c.profile_id).join(chain, profiles.c.merged_into == chain.c.profile_id)
    return sa.select(chain.union(before).c.profile_id)


FORMER_IDS = _former_ids()

SECRET = sa.select(secrets.c.value).where(secrets.c.name == sa.bindparam("name"))


def value_key(value: str) -> str:
    """What an identifier value is stored and found under: itself, or its digest when longer than an index holds."""
    # Half a surrogate pair, which JSON can carry, is no character that a database stores.
    cleaned = value.replace("\0", "").encode(errors="replace").decode()
    return cleaned if len(cleaned) <= LONGEST_VALUE else f"sha256:{sha256(cleaned.encode()).hexdigest()}"


def to_publication(row: Row) -> Publication:
    """A row of CURRENT_PUBLICATION."""
    run_id, snapshot_file, as_of, counts, fingerprint, seq, published_at = row
    return Publication(
        run_id, snapshot_file, _moment(as_of), json.loads(counts), fingerprint, seq, moment(published_at)
    )


def to_profile(row: Row) -> StoredProfile:
    """A row of PROFILE."""
    return StoredProfile(*row)


def to_identifier(row: Row) -> StoredIdentifier:
    """A row of IDENTIFIERS."""
    return StoredIdentifier(*row)


def to_segment(row: Row) -> SegmentRow:
    """A row of SEGMENTS."""
    key, title, description, definition, sentence, version, purpose, size, exportable, at, *state = row
    origin, problem, blocking = state
    return SegmentRow(
        key, title, description, definition, sentence, version, purpose, size, exportable, _moment(at),
        origin=origin, problem=problem, blocking=tuple(json.loads(blocking)),
    )  # fmt: skip


def to_membership(row: Row) -> Membership:
    """A row of MEMBERSHIPS."""
    return Membership(row[0], _moment(row[1]), bool(row[2]))


def to_change(row: Row) -> MembershipChange:
    """A row of CHANGES."""
    seq, segment_key, profile_id, change, run_id, at, reason, former_id = row
    return MembershipChange(seq, segment_key, profile_id, change, run_id, _moment(at), reason, former_id)


def to_key(row: Row) -> ApiKey:
    """A row of KEYS."""
    key_id, name, prefix, secret_hash, scopes, created_at, revoked_at = row
    return ApiKey(key_id, name, prefix, secret_hash, tuple(scopes.split()), _moment(created_at), moment(revoked_at))


def to_audit(row: Row) -> AuditRow:
    """A row of AUDIT."""
    seq, entry_id, at, actor, action, object_, detail, previous_hash, hash_ = row
    entry = AuditEntry(entry_id, _moment(at), actor, action, object_, json.loads(detail))
    return AuditRow(seq, entry, previous_hash, hash_)


def _moment(value: Any) -> datetime:
    return cast(datetime, moment(value))
