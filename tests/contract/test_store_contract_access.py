"""The contract of API keys, the audit trail and secrets, on every store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.store import keys
from cdp.store.base import (
    ApiKey,
    AuditEntry,
    Redirect,
    Store,
)
from tests.support.publications import NOW, profile_id, publish


class TestKeys:
    def test_a_key_is_recognised_until_it_is_revoked(self, store: Store) -> None:
        text = keys.create(store, "campaign tool", ["profiles:read", "pii:read"])
        parts = keys.split(text)
        assert parts is not None
        found = store.find_key(parts[0])
        assert found is not None and found.scopes == ("profiles:read", "pii:read") and found.name == "campaign tool"
        assert keys.fits(found, parts[1]) and not keys.fits(found, parts[1][:-1] + "g")
        assert parts[1] not in repr(found)
        keys.revoke(store, found.id)
        assert not keys.fits(store.find_key(parts[0]), parts[1])
        assert [key.revoked_at is not None for key in keys.list_keys(store)] == [True]

    def test_the_first_revocation_stays(self, store: Store) -> None:
        store.add_key(ApiKey("k", "n", "p", "h", ("admin",), NOW))
        assert store.revoke_key("k", NOW) and store.revoke_key("k", NOW + timedelta(days=1))
        found = store.find_key("p")
        assert found is not None and found.revoked_at == NOW

    def test_unknown_scopes_are_told_with_the_list(self, store: Store) -> None:
        with pytest.raises(InputError, match="'profiles:write' is no scope; there are: profiles:read, pii:read"):
            keys.create(store, "x", ["profiles:write"])
        with pytest.raises(InputError, match="at least one"):
            keys.create(store, "x", [])
        with pytest.raises(InputError, match="name"):
            keys.create(store, "  ", ["admin"])
        assert store.list_keys() == []

    def test_revoking_nothing(self, store: Store) -> None:
        with pytest.raises(NotFoundError):
            keys.revoke(store, "no-such-id")

    def test_prefixes_are_unique(self, store: Store) -> None:
        store.add_key(ApiKey("k", "n", "p", "h", ("admin",), NOW))
        with pytest.raises(ConflictError):
            store.add_key(ApiKey("l", "n", "p", "h", ("admin",), NOW))

    def test_creation_and_revocation_are_audited(self, store: Store) -> None:
        keys.create(store, "x", ["admin"])
        keys.revoke(store, store.list_keys()[0].id)
        assert [row.entry.action for row in store.audit_rows()] == ["key.create", "key.revoke"]
        assert store.verify_audit() is None


class TestAudit:
    def entries(self, *numbers: int) -> list[AuditEntry]:
        return [
            AuditEntry(
                f"e{n}", datetime(2026, 1, 1, 12, n, 0, 123456, tzinfo=UTC), "key k", "profile.read", f"p{n}", {"n": n}
            )
            for n in numbers
        ]

    def test_entries_come_back_in_order_and_chained(self, store: Store) -> None:
        assert store.append_audit(self.entries(1, 2)) == 2
        assert store.append_audit(self.entries(3)) == 1
        rows = store.audit_rows()
        assert [row.entry for row in rows] == self.entries(1, 2, 3)
        assert rows[0].previous_hash == "0" * 64
        assert [row.previous_hash for row in rows[1:]] == [row.hash for row in rows[:-1]]
        assert store.verify_audit() is None

    def test_a_repeated_append_doubles_nothing(self, store: Store) -> None:
        store.append_audit(self.entries(1, 2))
        assert store.append_audit(self.entries(2, 3, 3)) == 1
        assert [row.entry.entry_id for row in store.audit_rows()] == ["e1", "e2", "e3"]
        assert store.append_audit([]) == 0

    def test_questions(self, store: Store) -> None:
        store.append_audit(self.entries(1, 2, 3))
        assert [row.entry.entry_id for row in store.audit_rows(object="p2")] == ["e2"]
        assert store.audit_rows(action="profile.lookup") == []
        assert [row.entry.entry_id for row in store.audit_rows(after=store.audit_rows()[0].seq, limit=1)] == ["e2"]

    def test_what_is_about_people(self, store: Store) -> None:
        listed = AuditEntry("list", datetime(2026, 1, 1, 12, 2, tzinfo=UTC), "key k", "segment.members", "vip", {})
        store.append_audit([*self.entries(1, 2, 3), listed])
        about = partial(store.audit_about, ["p1", "p3"])

        def told(**window: Any) -> list[str]:
            return [row.entry.entry_id for row in about(**window)]

        first = datetime(2026, 1, 1, 12, 1, 0, 123456, tzinfo=UTC)
        assert told() == ["e1", "e3", "list"]
        assert told(since=first) == ["e1", "e3", "list"], "the beginning is inside"
        assert told(since=first + timedelta(microseconds=1), until=first + timedelta(minutes=2)) == ["list"]
        assert told(after=about()[0].seq, limit=1) == ["e3"]
        assert [row.entry.entry_id for row in store.audit_about([])] == ["list"]

    def test_the_newest(self, store: Store) -> None:
        assert store.last_audit() is None
        store.append_audit(self.entries(2, 1))
        assert store.last_audit() == store.audit_rows()[-1]


def test_former_ids(store: Store) -> None:
    publish(store, [1, 2, 3, 4])
    moved = [Redirect(profile_id(2), "merged", profile_id(1)), Redirect(profile_id(4), "retired")]
    publish(store, [1, 3], run="run-2", redirects=moved)
    publish(store, [3], run="run-3", redirects=[Redirect(profile_id(1), "merged", profile_id(3))])
    assert store.former_ids(profile_id(3)) == [profile_id(1), profile_id(2)]
    assert store.former_ids(profile_id(1)) == [profile_id(2)]
    assert store.former_ids(profile_id(4)) == store.former_ids("nobody") == []


def test_secrets_stay_the_same(store: Store) -> None:
    first = store.secret("cursors")
    assert len(first) == 32
    assert store.secret("cursors") == first
    assert store.secret("other") != first
