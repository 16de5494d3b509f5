"""Packages on a small home: whose data is inside, who is told what, and what is on the disk."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdp.cli.app import app
from cdp.clock import wall_now
from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.store import open_store
from pipelines.erasing import requests
from pipelines.packaging import making
from privacy.holds import hold as acts
from privacy.holds.register import Holds, Meant
from privacy.register import Register
from privacy.requests.words import Kind
from tests.unit.pipelines.erasing_world import ANN, World, make_world
from tests.unit.pipelines.ingest_delivery import DEALS

BOB = "bob@marked.org"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def fetched(world: World, request: str) -> dict[str, Any]:
    """`data.json` of a package."""
    _, _, archive = making.vault_of(world.settings).open(request, wall_now())
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        content: dict[str, Any] = json.loads(files.read("data.json"))
    return content


def carried_out(world: World, *identifiers: str, kind: Kind = Kind.ACCESS) -> dict[str, Any]:
    made, _ = requests.submit(world.settings, [identifiers], kind=kind)
    package: dict[str, Any] = requests.execute(world.settings, made.request)["package"]
    return package


def test_only_what_is_certainly_the_person_s(world: World) -> None:
    """Bob shares a phone and a deal with Ann; a support record is in her profile by its name alone."""
    package = carried_out(world, f"email:{ANN}")
    tables = fetched(world, package["request"])["tables"]
    text = json.dumps(tables)
    assert package["doubtful"] == 1 and "900001" not in text
    assert "700002" not in text and BOB not in text and "device_of_bob" not in text
    deals = [row["payload"] for row in tables["raw.sales_deals"]["rows"]]
    assert [deal["Associated Contact IDs"] for deal in deals] == ["700001", "700001"]
    assert [row["payload"]["Email"] for row in tables["raw.sales_contacts"]["rows"]] == [ANN.upper()]
    assert {row["payload"]["messageId"] for row in tables["raw.web_events"]["rows"]} == {"m1", "m2"}
    assert "identity.device_map" not in tables, "of the profile as a whole, in which another's record may be"
    with world.delivery.engine.writer() as connection:
        connection.execute("delete from identity.identity_map where source_record_id = '900001'")
        connection.execute("insert into identity.profiles values ('old', 3, 'merged', 'ann', '')")
    whole = carried_out(world, "profile:old")
    assert whole["doubtful"] == 0 and "identity.device_map" in fetched(world, whole["request"])["tables"]
    numbers = fetched(world, whole["request"])["tables"]["identity.profiles"]["rows"]
    assert {row["profile_id"] for row in numbers} == {"ann", "old"}, "merged yesterday: both numbers are hers"
    given = carried_out(world, f"email:{ANN}", kind=Kind.PORTABILITY)
    carried = fetched(world, given["request"])
    assert {name.partition(".")[0] for name in carried["tables"]} == {"raw", "quarantine"}
    assert carried["logic"] == [] == carried["recipients"]


def test_nothing_in_plain_text_reads_are_kept_and_it_ends(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(world.found(ANN)) | set(world.found(ANN.upper()))
    package = carried_out(world, f"email:{ANN}")
    assert set(world.found(ANN)) | set(world.found(ANN.upper())) == before
    out = tmp_path / "ann.zip"
    making.write(world.settings, package["request"], out, actor="command line:me")
    assert zipfile.is_zipfile(out) and out.stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match=r"ann.zip is there already"):
        making.write(world.settings, package["request"], out, actor="command line:me")
    with pytest.raises(InputError, match="cannot be written"):
        making.write(world.settings, package["request"], tmp_path / "no" / "ann.zip", actor="command line:me")
    with open_store(world.settings.database_url) as store:
        seen = [(row.entry.actor, row.entry.action, row.entry.detail) for row in store.audit_rows(object="ann")]
    assert ("command line:me", making.READ, {"request": package["request"]}) in seen
    later = wall_now() + timedelta(world.settings.privacy_package_days, seconds=1)
    monkeypatch.setattr(making, "wall_now", lambda: later)
    requests.run_all(world.settings)
    assert list(world.settings.packages.glob("*")) == []
    assert list((world.settings.privacy / "packages").glob("*.key")) == []
    with open_store(world.settings.database_url) as store:
        assert [row.entry.object for row in store.audit_rows(action=making.ENDED)] == [package["request"]]


def test_an_erasure_leaves_no_package_and_nothing_to_tell(world: World) -> None:
    world.delivery.put_lines("sales/deals.csv", DEALS, "3,closedwon,x,2025-01-01,,700002;700001")
    world.delivery.load()
    package = carried_out(world, f"email:{ANN}")
    quarantined = fetched(world, package["request"])["tables"]["quarantine.rows"]["rows"]
    assert "700001" in [
        row["payload"].get("Associated Contact IDs") for row in quarantined if isinstance(row["payload"], dict)
    ]
    bobs = carried_out(world, f"email:{BOB}")
    made, _ = requests.submit(world.settings, [[f"email:{ANN}"]])
    body = requests.execute(world.settings, made.request)["receipt"]
    assert body["status"] == "completed", body["notes"]
    (line,) = [one for one in body["stores"] if one["store"] == "packages"]
    assert (line["matched"], line["erased"], line["residual_hits"]) == (1, 1, 0)
    with pytest.raises(NotFoundError, match="was erased"):
        fetched(world, package["request"])
    assert fetched(world, bobs["request"])["tables"]
    with world.delivery.engine.reader() as connection:
        (left,) = connection.execute("select payload from quarantine.rows").fetchall()
    assert json.loads(left[0])["Associated Contact IDs"] == "700002;erased-2"
    nothing = carried_out(world, f"email:{ANN}")
    assert nothing["nothing_held"] and nothing["rows"] == 0
    with pytest.raises(NotFoundError, match="nothing is held"):
        fetched(world, nothing["request"])
    known = Register(world.settings.privacy).read(nothing["request"])
    assert known.status == "completed" and [step.note for step in known.history] == ["", "operator", "", "", ""]


def test_what_a_hold_keeps_is_told(world: World) -> None:
    (hold,) = Holds(world.settings.privacy).place(
        [Meant([f"email:{ANN}", "phone:+15035550123"], [("email", ANN)])], basis="claims", categories=("orders",),
        until="2999-12-31", actor="anna", now=wall_now(),
    )  # fmt: skip
    sealed = Holds(world.settings.privacy).sealed(hold.hold)
    sealed.save({**sealed.load(), "kept": {"er-1": {"orders": {"of": "sales.deals", "records": [{"Amount": "12"}]}}}})
    noted = partial(acts.kept, request="er-1", counts={"orders": 1}, actor="pipeline", now=wall_now())
    Holds(world.settings.privacy).change(hold.hold, noted)
    tables = fetched(world, carried_out(world, f"email:{ANN}")["request"])["tables"]
    (held,) = [table for name, table in tables.items() if name.startswith("held.")]
    assert held["rows"] == [{"Amount": "12"}] and "2999-12-31" in held["about"]
    for kind, asked in ((Kind.ACCESS, f"email:{BOB}"), (Kind.PORTABILITY, f"email:{ANN}")):
        others = fetched(world, carried_out(world, asked, kind=kind)["request"])["tables"]
        assert not [name for name in others if name.startswith("held.")]


def test_killed_before_the_last_note_it_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = requests.submit(world.settings, [[f"email:{ANN}"]], kind=Kind.ACCESS)
    for place in ("keep", "record"):
        with monkeypatch.context() as patch:
            if place == "keep":
                patch.setattr(making.formats, "archive", _die)
            else:
                patch.setattr(making, "_audit", _die)
            with pytest.raises(KeyboardInterrupt):
                requests.run_all(world.settings)
        assert requests.read(world.settings, made.request).status == "executing"
    told: list[str] = []
    (one,) = requests.run_all(world.settings, progress=told.append)
    assert one["package"]["rows"] and "finishing the interrupted request" in " ".join(told)
    assert len(list(world.settings.packages.glob("*"))) == 1
    assert requests.run_all(world.settings) == [] and requests.execute(world.settings, made.request) == one
    with open_store(world.settings.database_url) as store:
        assert len(store.audit_rows(action=making.MADE)) == 1


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_one_person_a_package(world: World) -> None:
    with pytest.raises(InputError, match="names one person"):
        requests.submit(world.settings, [[f"email:{ANN}"], [f"email:{BOB}"]], kind=Kind.ACCESS)
    with pytest.raises(ConflictError, match="lead to 2 different people"):
        requests.submit(world.settings, [[f"email:{ANN}", f"email:{BOB}"]], kind=Kind.ACCESS)
    assert requests.read_all(world.settings) == []


def test_on_the_command_line(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_HOME", str(world.settings.home))

    def cdp(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["privacy", *arguments, "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if not code else done

    asked = cdp("request", "--type", "access", "--identifier", f"email:{ANN}", "--yes")
    package = asked["package"]
    assert (asked["status"], asked["receipt"], len(asked["doubtful"])) == ("completed", None, 1)
    assert asked["answer"] == (
        f"{package['rows']} rows of {package['tables']} tables, kept encrypted until {package['expires_at'][:10]}: "
        f"`cdp privacy package {asked['request']} --out FILE.zip` writes it. 1 doubtful record(s) are not in it."
    )
    out = tmp_path / "ann.zip"
    assert cdp("package", asked["request"], "--out", str(out))["rows"] == package["rows"] and zipfile.is_zipfile(out)
    waiting = cdp("request", "--type", "portability", "--identifier", "email:nobody@marked.org")
    assert (waiting["status"], waiting["package"]) == ("approved", None)
    (carried,) = cdp("run")
    assert carried["package"]["request"] == waiting["request"] and carried["package"]["nothing_held"]
    refused = cdp("package", waiting["request"], "--out", str(tmp_path / "no.zip"), code=1)
    assert isinstance(refused.exception, (NotFoundError, SystemExit)) and not (tmp_path / "no.zip").exists()
    told = cdp("request", "--type", "objection", "--identifier", f"email:{ANN}", "--yes", code=1)
    assert "access, portability, erasure" in str(told.exception)
