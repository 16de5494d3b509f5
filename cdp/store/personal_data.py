"""What personal data the store's tables hold: every column once, under its category.

The categories are those of `privacy/inventory/categories.yaml`; `rows` says how the rows of a person are found, in the
same words as the warehouse's declarations. A test compares this with the schema, so a new column needs a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Declared:
    """A table: the finder of a person's rows with its columns, and columns by category."""

    rows: tuple[str, ...] = ("none",)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    about: str = ""


def _table(*rows: str, about: str = "", **columns: str) -> Declared:
    return Declared(rows or ("none",), {category: tuple(names.split()) for category, names in columns.items()}, about)


TABLES: dict[str, Declared] = {
    "publications": _table(
        none="seq run_id snapshot_file as_of published_at fingerprint",
        aggregate="counts",
    ),
    "profiles": _table(
        "tombstone", "profile_id",
        about="What profile requests answer. The id of an erased profile stays, without anything else, to answer 410.",
        key="profile_id merged_into",
        document="document content_hash",
        none="status version",
    ),
    "identifiers": _table("profile", "profile_id", key="profile_id", contact="value_key", none="id type"),
    "segments": _table(
        none="key title description definition sentence version purpose evaluated_at origin problem blocking",
        aggregate="size exportable",
    ),
    "segment_versions": _table(staff="saved_by saved_at", none="key version definition sentence deleted"),
    "memberships": _table(
        "profile", "profile_id", key="profile_id", derived="segment_key since valid_from exportable", none="id"
    ),
    "membership_history": _table(
        "profile", "profile_id",
        key="profile_id", derived="segment_key since valid_from valid_to exportable", none="id",
    ),
    "membership_changes": _table(
        "tombstone", "profile_id",
        about="Who came in and left. Of the erased stays one exit a segment, by id, so that whoever follows lets go.",
        key="profile_id former_id", derived="segment_key change at reason", none="seq run_id",
    ),
    "membership_holds": _table("profile", "profile_id", key="profile_id", consent="purpose since", none="entry"),
    "consent_statements": _table(
        "profile", "profile_id",
        about="The ledger: what people agreed and objected to. It is only added to, and goes with the person.",
        key="profile_id", consent="purpose state at channel text_version proof origin", staff="recorded_by recorded_at",
        none="seq request",
    ),
    "consent_records": _table("record", "source", "source_record_id", key="source source_record_id", none="seq"),
    "corrections": _table(
        "profile", "profile_id",
        about="What was put right about a person; it goes with them.",
        key="profile_id", staff="recorded_by recorded_at", none="seq correction_id lasts request told",
    ),
    "correction_places": _table(
        "record", "source", "source_record_id",
        about="Which field of which record was put right, with the right value.",
        key="source source_record_id", document="value replaced", none="correction_id field",
    ),
    "correction_withdrawals": _table(staff="recorded_by recorded_at", none="correction_id told"),
    "membership_clock": _table(none="id at"),
    "destinations": _table(
        about="Receivers; the secret signs messages or opens the receiver's database.",
        staff="saved_by saved_at",
        none="key kind title purpose unfit config secret enabled version lease lease_until",
    ),
    "destination_segments": _table(none="destination_key segment_key"),
    "deliveries": _table(
        "tombstone", "profile_id",
        about="Outbox and log. Of the erased stays what each receiver is told, by id, and the id until it was told.",
        key="profile_id former_id", derived="segment_key trigger_key kind reason at",
        none="id destination_key message_id state attempts due_at finished_at error request notice",
    ),
    "destination_members": _table(
        "tombstone", "profile_id",
        about="Whom a receiver knows to be in. Of the erased stays the id until the receiver took the exit.",
        key="profile_id", derived="segment_key since", none="destination_key",
    ),
    "triggers": _table(
        staff="saved_by saved_at", none="key segment_key destination_key definition enabled version"
    ),
    "trigger_firings": _table(
        "profile", "profile_id",
        key="profile_id", derived="trigger_key change_seq happened_at due_at state decided_at", none="id holdout",
    ),
    "api_keys": _table(staff="name", none="id prefix secret_hash scopes created_at revoked_at"),
    "audit": _table(
        about="Who saw or did what; names random profile ids, never values, and is never changed.",
        staff="actor at",
        key="object",
        none="seq entry_id action detail previous_hash hash",
    ),
    "secrets": _table(none="name value"),
    "identity_decisions": _table(
        about="What people decided about identity; a decision goes with the last of its links.",
        staff="author at note",
        none="seq decision_id kind",
    ),
    "identity_decision_links": _table(
        "record_key", "record_a", "record_b", key="record_a record_b", none="decision_id kind"
    ),
    "identity_withdrawals": _table(staff="author at note", none="decision_id"),
    "identity_hub_edits": _table(
        "value", "kind", "value", contact="value", staff="author at note", none="seq kind action"
    ),
}  # fmt: skip
