"""Tokens are the same in Python and in SQL, differ by kind, and survive a rotation of the key."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import ConfigurationError
from privacy import keys, tokens

CONNECTION = duckdb.connect()
tokens.install(CONNECTION, keys.TokenKeys({1: bytes(range(32)), 2: bytes(range(32, 64))}))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=80))
def test_sql_and_python_agree(value: str) -> None:
    ring = keys.TokenKeys({1: bytes(range(32)), 2: bytes(range(32, 64))})
    for version, key in ring.versions.items():
        found = CONNECTION.execute(f"select {tokens.token_sql(version, 'mailbox', '?')}", [value]).fetchall()[0][0]
        assert found == tokens.digest(key, "mailbox", value)


def test_a_value_has_another_token_in_each_kind_and_under_each_key(tmp_path: Path) -> None:
    first = keys.token_keys(tmp_path)
    assert keys.token_keys(tmp_path) == first, "made once, then read"
    token = tokens.make(first, "record", "sales:1")
    assert token.value not in (
        tokens.make(first, "device", "sales:1").value,
        tokens.make(first, "record", "pos:1").value,
    )

    second = keys.rotate_token_keys(tmp_path)
    assert second.current == 2
    assert tokens.make(second, "record", "sales:1").value != token.value
    assert tokens.any_version(second, "record", "sales:1", [token.value])
    assert not tokens.any_version(second, "record", "sales:2", [token.value])


def test_secret_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "privacy"
    keys.token_keys(folder)
    keys.signing_key(folder)
    for name in (keys.TOKEN_KEYS, keys.SIGNING_KEY):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    keys.public_key(folder / keys.PUBLIC_KEY).verify(keys.signing_key(folder).sign(b"x"), b"x")


@pytest.mark.parametrize("content", ["{", "{}", '{"1": "aa"}', "[]"])
def test_damaged_keys_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / keys.TOKEN_KEYS).write_text(content)
    with pytest.raises(ConfigurationError, match="does not hold token keys"):
        keys.token_keys(tmp_path)
