"""Legal holds: the declared minimum is sealed, everything else goes, and the rest goes when the hold is over."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cdp.cli.app import app as cli
from cdp.cli.app import run
from cdp.errors import ConfigurationError, ConflictError, InputError, NotFoundError
from cdp.settings import Settings, load_settings
from cdp.store import open_store
from pipelines.erasing import check, holding, requests
from privacy import receipts
from privacy.folder import keep
from privacy.holds import hold as acts
from privacy.holds.hold import Hold
from privacy.holds.register import Holds
from privacy.work import Work
from tests.unit.pipelines.erasing_world import ANN, MARKS, World, deliver, make_world
from tests.unit.pipelines.ingest_delivery import TRANSACTIONS, contact

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty home: holds and what becomes of them need no data."""
    return load_settings(home=tmp_path / "home")


def place(settings: Settings, *categories: str, basis: str = "claims", until: str = TOMORROW, who: str = ANN) -> Hold:
    people = [[f"email:{who}"]]
    (made,) = holding.place(settings, people, basis=basis, categories=categories, until=until, actor="anna")
    return made


def release(settings: Settings, hold: Hold) -> Hold:
    return Holds(settings.privacy).change(hold.hold, lambda one: acts.release(one, actor="anna", now=datetime.now(UTC)))


def with_two_orders(settings: Settings) -> Hold:
    """A hold under which an erasure kept two orders."""
    made = place(settings)
    noted = partial(acts.kept, request="er-1", counts={"orders": 2}, actor="pipeline", now=datetime.now(UTC))
    return Holds(settings.privacy).change(made.hold, noted)


def over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "wall_now", lambda: datetime.now(UTC) + timedelta(days=3))


def kept(settings: Settings, hold: Hold) -> dict[str, Any]:
    (found,) = holding.show(settings, hold.hold, actor="anna")["kept"].values()
    return {category: one["records"] for category, one in found.items()}


def test_an_erasure_seals_the_minimum_and_nothing_of_it_is_found(world: World) -> None:
    world.delivery.put_lines(
        "pos/customers.csv", "Reference ID,First Name,Last Name,Email Address,Phone Number", f"c1,Ann,Lee,{ANN},"
    )
    world.delivery.put_lines(
        "pos/transactions.csv",
        TRANSACTIONS,
        "t1,2025-02-01,10:00:00,UTC,12.50,0,c1",
        "t2,2025-02-01,10:00:00,UTC,1,0,c2",
    )
    world.delivery.load()
    with world.delivery.engine.writer() as connection:
        connection.execute("insert into identity.identity_map values ('pos', 'c1', 'ann', 1, false)")
        connection.execute("insert into identity.edges values ('pos:c1', 'sales:700001', 20, 1, false, '')")
    hold = place(world.settings, basis="tax")
    made, _ = requests.submit(world.settings, [[f"email:{ANN}"]])
    signed = requests.execute(world.settings, made.request)
    body = signed["receipt"]
    assert body["status"] == "completed", body["notes"]
    for mark in MARKS:
        assert world.found(mark) == [], "what is kept is sealed"
    held = {one["store"]: one for one in body["stores"] if one["store"].startswith("held:")}
    assert {store: (one["matched"], one["erased"], one["kept"]) for store, one in held.items()} == {
        "held:orders": (2, 0, 2), "held:receipts": (1, 0, 1),
    }  # fmt: skip
    assert f"legal hold {hold.hold}: tax, until {TOMORROW}" in held["held:orders"]["reason"]
    assert body["extra"]["holds"] == [hold.hold]
    assert requests.read(world.settings, body["request"]).history[-1].note == "held"
    assert world.delivery.rows("select record_key from raw.pos_transactions") == [("t2",)]
    found = kept(world.settings, hold)
    assert found["receipts"] == [
        {"Transaction ID": "t1", "Date": "2025-02-01", "Time": "10:00:00", "Time Zone": "UTC", "Gross Sales": "12.50",
         "Discounts": "0"}
    ]  # fmt: skip
    assert [one["Record ID"] for one in found["orders"]] == ["1", "2"] and found["web_orders"] == []
    assert "700002" not in json.dumps(found), "others who took part are not in it"
    deliver(world.delivery)
    path = world.delivery.folder / "sales" / "contacts.csv"
    path.write_text(path.read_text() + contact(700003) + "\n")
    world.delivery.load()
    assert {row[0] for row in world.delivery.rows("select record_key from raw.sales_contacts")} == {"700002", "700003"}
    told = check.verify(world.settings, body["request"], [f"email:{ANN}"])
    assert told["clean"] and told["kept"] == [
        {"hold": hold.hold, "reason": Holds(world.settings.privacy).read(hold.hold).reason, "records": 3}
    ]


def test_killed_after_any_step_what_is_held_is_kept_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = world.settings
    hold = place(settings, "orders")
    place(settings, who="bob@marked.org")
    release(settings, place(settings, basis="tax"))
    made, _ = requests.submit(settings, [[f"email:{ANN}"]])
    save, keep = Work.save, holding.keep

    def dying(work: Work) -> None:
        save(work)
        if work.content["done"]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Work, "save", dying)
    monkeypatch.setattr(holding, "keep", lambda *given: (keep(*given), keep(*given))[1])
    with pytest.raises(KeyboardInterrupt):
        requests.execute(settings, made.request)
    with pytest.raises(ConflictError, match="half done"):
        place(settings, who="bob@marked.org", basis="tax")
    while True:
        try:
            signed = requests.execute(settings, made.request)
            break
        except KeyboardInterrupt:
            continue
    held = [one for one in signed["receipt"]["stores"] if one["store"].startswith("held:")]
    assert [(one["store"], one["kept"]) for one in held] == [("held:orders", 2)], "not of Bob, nor what was released"
    assert Holds(settings.privacy).read(hold.hold).kept == {made.request: {"orders": 2}}


@pytest.mark.parametrize("way", ["released", "expired"])
def test_when_it_is_over_the_rest_goes_with_a_receipt(
    settings: Settings, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds, hold = Holds(settings.privacy), with_two_orders(settings)
    place(settings, basis="tax")
    assert holding.end_due(settings) == [], "it is in force"
    if way == "released":
        assert release(settings, hold).status == "released"
    else:
        over(monkeypatch)
    (signed,) = requests.run_all(settings)
    body = signed["receipt"]
    assert (body["request"], body["kind"]) == (hold.hold, "hold_end"), "the other kept nothing: nothing to tell"
    assert [(one["store"], one["erased"], one["kept"]) for one in body["stores"]] == [("held:orders", 2, 0)]
    assert holds.read(hold.hold).status == "ended"
    assert not holds.sealed(hold.hold).path.exists() and not holds.sealed(hold.hold).key.exists()
    assert receipts.verify(settings.privacy) == []
    assert requests.run_all(settings) == []
    with pytest.raises(ConflictError, match="has ended"):
        holding.show(settings, hold.hold, actor="anna")
    with open_store(settings.database_url) as store:
        actions = [row.entry.action for row in store.audit_rows(object=hold.hold)]
    assert sorted(actions) == ["privacy.hold.ended", "privacy.hold.placed"]


def test_killed_while_it_ends_it_has_one_receipt(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    release(settings, with_two_orders(settings))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Holds, "change", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        holding.end_due(settings)
    (receipt,) = (settings.privacy / "receipts").glob("*.json")
    assert holding.end_due(settings) == [json.loads(receipt.read_text())]
    assert holding.end_due(settings) == []


def test_bad_input_is_told_in_one_sentence(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'taxx' is no basis of a hold; did you mean tax"):
        place(settings, basis="taxx")
    with pytest.raises(InputError, match="keeps no category 'order'; did you mean orders"):
        place(settings, "order")
    with pytest.raises(InputError, match="in the past"):
        place(settings, until="2020-01-01")
    with pytest.raises(InputError, match="a date like"):
        place(settings, until="soon")
    assert Holds(settings.privacy).all() == []
    hold = place(settings)
    with pytest.raises(ConflictError, match=f"Hold {hold.hold} of basis claims is open"):
        place(settings)
    with pytest.raises(NotFoundError):
        holding.show(settings, "ho-20260101-000000000000", actor="anna")


@pytest.mark.parametrize(
    ("categories", "keeps", "said"),
    [
        ("{a: {of: sales.orders, fields: [x]}}", "a", "no source has 'sales.orders'"),
        ("{a: {of: sales.deals, fields: [Price]}}", "a", "has no field 'Price'"),
        ("{orders: {of: sales.deals, fields: [Amount]}}", "order", "did you mean orders"),
        ("{a: {of: sales.deals}}", "a", "say about, of and fields"),
        ("[]", "a", "at least one name"),
    ],
)
def test_a_file_of_bases_that_cannot_be_is_told(tmp_path: Path, categories: str, keeps: str, said: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(f"categories: {categories}\nbases: {{tax: {{keeps: [{keeps}]}}}}\n")
    with pytest.raises(ConfigurationError, match=said):
        holding.load_bases(load_settings(home=tmp_path / "home", privacy_holds=file))


def test_a_hold_lasts_longer_when_it_is_extended() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    hold = Hold("ho-1", "tax", ("orders",), "2026-06-30", now.isoformat(), "anna")
    assert hold.is_in_force(date(2026, 6, 30)) and not hold.is_in_force(date(2026, 7, 1))
    longer = acts.extend(hold, date(2027, 6, 30), actor="anna", now=now)
    assert longer.until == "2027-06-30" and longer.history[-1].note == "2027-06-30"
    with pytest.raises(InputError, match="release it to end it sooner"):
        acts.extend(longer, date(2026, 7, 1), actor="anna", now=now)
    with pytest.raises(ConflictError, match="is released"):
        acts.extend(acts.release(hold, actor="a", now=now), date(2027, 6, 30), actor="a", now=now)


def test_many_people_each_get_a_hold_or_nobody_does(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDP_HOME", str(settings.home))
    file, holds = tmp_path / "people.txt", Holds(settings.privacy)

    def cdp(content: str, *words: str) -> tuple[str, str]:
        file.write_text(content)
        run(["privacy", "hold", "--people", str(file), "--basis", "claims", "--until", TOMORROW, *words])
        told = capsys.readouterr()
        assert told.err.count("\n") <= 1 and "zqx" not in told.err
        return told.out, told.err

    open_one = place(settings, who="zqx7@marked.org")
    for content, said in (
        (f"email:{ANN}\n\nemail:zqx\n", "people.txt, line 3: The value cannot be a email"),
        ("zqx\n", "people.txt, line 1: An identifier is TYPE:VALUE"),
        (f"email:{ANN}\nphone:030 1864209\n", "people.txt, line 2:"),
        (f"email:{ANN}\nemail:{ANN.upper()}\n", "Person 2: This is person 1 again"),
        (f"email:{ANN}\nemail:zqx7@marked.org\n", f"Person 2: Hold {open_one.hold} of basis claims is open"),
        ("\n", "at least one identifier"),
    ):
        assert said in cdp(content)[1], content
    assert "not both" in cdp(f"email:{ANN}", "--identifier", f"email:{ANN}")[1]
    with monkeypatch.context() as patched:
        patched.setattr("privacy.holds.register.keep", dying_after_one())
        assert "half way" in cdp("email:zqx1@marked.org\nemail:zqx2@marked.org")[1]
    assert holds.all() == [open_one] and len(list((settings.privacy / "holds").glob("*.key"))) == 1, "nothing is left"
    out, _ = cdp(f"email:{ANN} contact_id:700001\n\nphone:+493018642097\n", "--categories", "orders", "--json")
    made = json.loads(out)
    assert [holds.sealed(one["hold"]).load()["identifiers"] for one in made] == [
        [f"email:{ANN}", "contact_id:700001"], ["phone:+493018642097"],
    ]  # fmt: skip
    assert len(holds.all()) == 3 and ANN not in out
    assert cdp("email:zqx3@marked.org")[0].splitlines()[-1].startswith("1 hold(s): claims, ")
    with open_store(settings.database_url) as store:
        placed = [row.entry for row in store.audit_rows(limit=100) if row.entry.action == "privacy.hold.placed"]
    assert {one.object for one in placed} == {one.hold for one in holds.all()}


def dying_after_one() -> Any:
    written: list[Path] = []

    def keeping(path: Path, content: Any) -> None:
        if written:
            raise ConflictError("The disk is full half way.")
        written.append(path)
        keep(path, content)

    return keeping


def test_commands(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CDP_HOME", str(settings.home))

    def cdp(*words: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            cli(["privacy", "hold", *words])
        return ended.value.code, capsys.readouterr()

    _, said = cdp("--identifier", f"email:{ANN}", "--basis", "tax", "--categories", "orders,receipts",
                  "--until", TOMORROW, "--json")  # fmt: skip
    made = json.loads(said.out)
    assert made["categories"] == ["orders", "receipts"] and "tokens" not in made
    assert ANN not in said.out
    code, _ = cdp("release", made["hold"])
    assert code in (0, None)
    _, said = cdp("list", "--json")
    assert [(one["hold"], one["status"]) for one in json.loads(said.out)] == [(made["hold"], "released")]
