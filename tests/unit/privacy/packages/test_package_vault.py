"""Packages at rest: sealed, counted only when whole, ended by time or by an erasure, keys first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cdp.errors import NotFoundError
from privacy.packages import vault as module
from privacy.packages.vault import PackageGone, Record, Vault, Whose
from tests.support.publications import NOW

ANN = Whose(frozenset({"sales:1"}), frozenset({"ann"}), frozenset({"ann@b.example"}))
BOB = Whose(frozenset({"sales:2"}), frozenset({"bob"}), frozenset())
NAME = "ac-20260131-0123456789ab"
SECRET = b"ann@b.example lives here"


class Kept(Vault):
    """A vault that knows its folders."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / "packages", home / "privacy")
        self.home = home

    def files(self) -> list[str]:
        return sorted(path.name for path in self.home.rglob("*") if path.is_file() and path.name != ".lock")

    def put(self, name: str = NAME, whose: Whose = ANN, *, rows: int = 3) -> Record:
        end = NOW + timedelta(30)
        record = Record(name, "access", NOW.isoformat(), end.isoformat(), rows, 2, 1)
        return self.keep(record, whose, SECRET)


@pytest.fixture
def vault(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_a_package_is_sealed_and_comes_back(vault: Kept) -> None:
    kept = vault.put()
    assert vault.open(NAME, NOW) == (kept, ANN, SECRET) and kept.bytes == len(SECRET)
    assert len(vault.files()) == 5
    for path in vault.home.rglob("*"):
        assert (
            path.is_dir()
            or (b"ann" not in path.read_bytes() and path.stat().st_mode & 0o077 == 0)
            or path.name == ".lock"
        )
    with pytest.raises(NotFoundError, match="has no package"):
        vault.open("ac-20260131-ffffffffffff", NOW)


def test_made_again_it_takes_the_former_one_s_place(vault: Kept) -> None:
    vault.put()
    before = vault.files()
    again = vault.put(whose=BOB)
    assert vault.files() == before and vault.open(NAME, NOW)[1] == BOB and again.rows == 3


@pytest.mark.parametrize("killed_at", range(5))
def test_a_kill_leaves_nothing_that_counts(vault: Kept, monkeypatch: pytest.MonkeyPatch, killed_at: int) -> None:
    """Killed at each of its writes; made again, there is one package."""
    steps = iter(range(100))
    written = module.Sealed.write
    made = module.Sealed.make_key

    def die(*given: object) -> None:
        if next(steps) == killed_at:
            raise KeyboardInterrupt

    def write(self: module.Sealed, content: bytes) -> None:
        die()
        written(self, content)

    def make_key(self: module.Sealed) -> None:
        die()
        made(self)

    monkeypatch.setattr(module.Sealed, "write", write)
    monkeypatch.setattr(module.Sealed, "make_key", make_key)
    kept = module.keep
    monkeypatch.setattr(module, "keep", lambda path, record: (die(), kept(path, record)))
    with pytest.raises(KeyboardInterrupt):
        vault.put()
    with pytest.raises(NotFoundError):
        vault.open(NAME, NOW)
    monkeypatch.undo()
    again = Kept(vault.home)
    assert again.expire(NOW) == [] and again.files() == [], "what a kill left is removed"
    again.put()
    assert again.open(NAME, NOW)[2] == SECRET and len(again.files()) == 5


def test_it_ends_by_time(vault: Kept) -> None:
    vault.put()
    vault.put("po-20260131-0123456789ab", rows=0)
    assert vault.expire(NOW + timedelta(29)) == []
    with pytest.raises(PackageGone, match="could be fetched until 2026-") as gone:
        vault.open(NAME, NOW + timedelta(30))
    assert gone.value.status == 410
    assert vault.expire(NOW + timedelta(30)) == [NAME] and vault.expire(NOW + timedelta(31)) == []
    assert vault.files() == [f"{NAME}.json", "po-20260131-0123456789ab.json"]
    assert vault.record(NAME).ended == "expired" and vault.record(NAME).digest == ""
    with pytest.raises(NotFoundError, match="nothing is held"):
        vault.open("po-20260131-0123456789ab", NOW)


def test_an_erasure_ends_the_packages_of_its_people(vault: Kept) -> None:
    vault.put()
    vault.put("ac-20260131-00000000000b", BOB)
    for one in (replace(BOB, profiles=ANN.profiles), replace(BOB, values=ANN.values)):
        assert NAME in vault.of(one)
    assert vault.erase(ANN) == 1 and vault.erase(ANN) == 0 and vault.of(ANN) == []
    with pytest.raises(PackageGone, match="because the data in it was erased"):
        vault.open(NAME, NOW)
    assert vault.open("ac-20260131-00000000000b", NOW)[1] == BOB


def test_a_restored_home_brings_none_back(vault: Kept) -> None:
    vault.put()
    sealed = vault.home / "packages" / f"{NAME}.zip.sealed"
    content = sealed.read_bytes()
    vault.erase(ANN)
    sealed.write_bytes(content)
    assert vault.expire(NOW) == [] and not sealed.exists()
    vault.put("ac-20260131-00000000000b", BOB)
    (vault.home / "packages" / "ac-20260131-00000000000b.zip.sealed").write_bytes(content)
    with pytest.raises(PackageGone, match="not there any more, or damaged"):
        vault.open("ac-20260131-00000000000b", NOW)
    (vault.home / "privacy" / "packages" / "ac-20260131-00000000000b.key").unlink()
    assert vault.erase(ANN) == 1, "nobody can say whose it is"
