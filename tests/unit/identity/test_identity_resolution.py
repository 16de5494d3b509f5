"""The whole identity step on a small shop: incremental, repeatable, reversible, and unmoved by absurd input."""

from __future__ import annotations

import random

import pytest

from identity.config import PIPELINE
from identity.survivorship import write_golden, write_identifiers

GOLDEN = ("golden", "golden_origins", "identifiers")


def test_people_are_found_and_households_stay_apart(shop):
    shop.populate(40)
    report = shop.resolve()
    assert report.records == shop.rows("select count(*) from intermediate.int_source_records")[0][0]
    for number in range(40):
        assert shop.profile(f"sales:c{number:03}") == shop.profile(f"web:u{number:03}")
        if number % 2:
            assert shop.profile(f"sales:c{number:03}") == shop.profile(f"support:r{number:03}")
    assert len({shop.profile(f"sales:c{number:03}") for number in range(40)}) == 40


def test_an_unchanged_second_run_does_no_work(shop):
    shop.populate(10)
    shop.resolve()
    before = shop.rows("select * from identity.identity_map order by all")
    report = shop.resolve()
    assert (report.changed, report.arrived, report.pairs, report.events) == (False, 0, 0, {})
    assert shop.rows("select * from identity.identity_map order by all") == before


def test_increments_equal_a_rebuild_and_a_rebuild_changes_no_id(shop, records_of):
    shop.populate(24)
    shop.resolve()
    for number in range(24, 30):
        for source, record_id, values in records_of(number):
            shop.add(source, record_id, **values)
    shop.add("sales", "c003", first_name="Dora", last_name="Umbenannt", email="dora.birnbaum3@gmail.com")
    shop.remove("web:u005")
    shop.resolve()
    incremental, edges, refusals = shop.ids(), stored(shop, "edges"), stored(shop, "refusals")
    golden = published(shop)
    write_identifiers(shop.connection)
    write_golden(shop.connection)
    assert published(shop) == golden
    report = shop.resolve(rebuild=True)
    assert report.changed
    assert report.events == {}
    assert shop.ids() == incremental
    assert stored(shop, "edges") == edges
    assert stored(shop, "refusals") == refusals


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_the_input_does_not_matter(shop, seed):
    shop.populate(24)
    shop.resolve()
    before = shop.ids()
    _shuffle(shop, seed)
    assert shop.resolve(renew_model=True).events == {}
    assert shop.ids() == before


@pytest.mark.slow
def test_fifty_shuffled_inputs_give_the_same_people_and_ids(shop):
    shop.populate(40)
    shop.resolve()
    before = shop.ids()
    for seed in range(50):
        _shuffle(shop, seed)
        assert shop.resolve(renew_model=True).events == {}
        assert shop.ids() == before


def test_growth_keeps_ids(shop, records_of):
    shop.populate(36)
    shop.resolve()
    before = shop.ids()
    for number in range(36, 40):
        for source, record_id, values in records_of(number):
            shop.add(source, record_id, **values)
    shop.resolve()
    after = shop.ids()
    assert all(after[key] == profile for key, profile in before.items())


def test_a_deleted_record_leaves_and_its_empty_profile_retires(shop):
    shop.populate(6)
    shop.resolve()
    gone = shop.profile("sales:c004")
    for key in ("sales:c004", "web:u004"):
        shop.remove(key)
    report = shop.resolve()
    assert report.events == {"retired": 1}
    assert shop.rows("select status from identity.profiles where profile_id = ?", gone) == [("retired",)]
    assert gone not in set(shop.ids().values())
    assert shop.rows("select count(*) from identity.golden where profile_id = ?", gone) == [(0,)]
    assert shop.rows("select count(*) from identity.identifiers where profile_id = ?", gone) == [(0,)]


def test_a_never_link_survives_a_bridge(shop):
    shop.populate(8)
    shop.resolve()
    shop.decide("never", "sales:c001", "web:u001")
    shop.resolve()
    assert shop.profile("sales:c001") != shop.profile("web:u001")
    # A record with the mail, phone and name of both.
    shop.add(
        "pos",
        "bridge",
        first_name="Berta",
        last_name="Abendroth",
        email="berta.abendroth1@gmail.com",
        phone="2065551037",
    )
    shop.resolve()
    assert shop.profile("sales:c001") != shop.profile("web:u001")
    assert ("never-link",) in shop.rows("select reason from identity.refusals")


def test_withdrawing_a_split_restores_the_former_profile(shop):
    shop.populate(8)
    shop.resolve()
    before = shop.ids()
    shop.decide("never", "sales:c001", "web:u001")
    shop.resolve()
    assert shop.ids() != before
    shop.decide("never", "sales:c001", "web:u001", active=False)
    shop.resolve()
    assert shop.ids() == before


def test_withdrawing_a_merge_restores_both_profiles(shop):
    shop.populate(8)
    shop.resolve()
    before = shop.ids()
    merged = [key for key, profile in before.items() if profile in (before["sales:c000"], before["sales:c003"])]
    for number, key in enumerate(merged[1:]):
        shop.decide("always", merged[0], key, decision=f"d{number}")
    report = shop.resolve()
    assert report.events == {"merged": 1}
    assert len({shop.profile(key) for key in merged}) == 1
    lost = {before["sales:c000"], before["sales:c003"]} - set(shop.ids().values())
    assert shop.rows("select status from identity.profiles where profile_id = ?", lost.pop()) == [("merged",)]
    for number, key in enumerate(merged[1:]):
        shop.decide("always", merged[0], key, decision=f"d{number}", active=False)
    assert shop.resolve().events == {"restored": 1}
    assert shop.ids() == before
    assert shop.rows("select count(*) from identity.profiles where status <> 'living'") == [(0,)]


def test_an_always_link_moves_one_record_without_tearing_others_apart(shop):
    shop.populate(8)
    shop.resolve()
    before = shop.ids()
    shop.decide("always", "sales:c000", "support:r005")
    report = shop.resolve()
    assert report.events == {"moved": 1}
    assert shop.ids() == before | {"support:r005": before["sales:c000"]}


def test_events_are_appended_in_order(shop):
    shop.populate(8)
    shop.resolve()
    shop.decide("always", "sales:c000", "support:r005")
    shop.resolve()
    rows = shop.rows("select seq, run_id, kind, profile_id, others from identity.identity_events order by seq")
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1][1:3] == ("run-002", "moved")
    assert rows[-1][3:] == (shop.profile("sales:c005"), f'["{shop.profile("sales:c000")}"]')


def test_ten_thousand_records_with_one_phone_are_not_one_person(shop):
    shop.populate(4)
    shop.connection.execute(
        """
        insert into intermediate.int_source_records
            (source, source_record_id, first_name, last_name, phone, content_hash)
        select 'pos', 'x' || i, 'Given' || (i // 100), 'Family' || i, '2065559999', i::varchar from range(10000) as r(i)
        """
    )
    report = shop.resolve()
    assert report.pairs < 200_000
    assert ("phone", "+12065559999") in shop.rows("select kind, value from identity.state_hubs")
    sizes = shop.rows("select max(n) from (select count(*) as n from identity.identity_map group by profile_id)")
    assert sizes[0][0] <= 4


def test_absurd_records_neither_crash_nor_merge(shop):
    shop.add("sales", "name", first_name="Zora", last_name="Quastenflosser")
    shop.add("sales", "empty")
    shop.add("sales", "long", first_name="A" * 300, last_name="B" * 300)
    shop.add("sales", "emoji", first_name="🦊", last_name="💛", email="🦊@💛")
    shop.add("sales", "rtl", first_name="محمد", last_name="عبد الله", birth_date="31/02/1999", phone="??")
    shop.add("sales", "zh", full_name="王小明", birth_date="0000-00-00")
    shop.add("support", "quote", full_name='O\'Brien "Bob" ; drop table x', email="a@b", phone="+")
    for number in range(5):
        shop.add("pos", f"same{number}", first_name="Ida", last_name="Immergleich", email="ida@immergleich.de")
    report = shop.resolve()
    assert report.records == 12
    assert len({shop.profile(f"pos:same{number}") for number in range(5)}) == 1
    assert report.profiles == 8


def test_empty_tables_give_empty_results(shop):
    report = shop.resolve()
    assert (report.records, report.profiles) == (0, 0)
    shop.populate(2)
    assert shop.resolve().profiles == 2
    for (key,) in shop.rows("select source || ':' || source_record_id from intermediate.int_source_records"):
        shop.remove(key)
    report = shop.resolve()
    assert (report.records, report.profiles) == (0, 0)


def test_only_the_golden_records_concerned_are_rewritten(shop):
    shop.populate(30)
    assert shop.resolve().rewritten == 30
    shop.add("pos", "new", first_name="Berta", last_name="Abendroth", email="berta.abendroth1@gmail.com")
    assert shop.resolve().rewritten == 1
    shop.connection.execute(
        "update intermediate.int_source_records set updated_at = '2025-05-05' "
        "where source_record_id in ('c007', 'c009')"
    )
    report = shop.resolve()
    assert (report.changed, report.rewritten) == (True, 2)
    shop.connection.execute(
        "insert into intermediate.int_marketing_addresses "
        "values ('ada.abendroth0@gmail.com', '2025-01-01', '2025-01-01')"
    )
    assert shop.resolve().rewritten == 1
    assert shop.rows(
        "select rule from identity.golden_origins where trait = 'email' and value = ?", "ada.abendroth0@gmail.com"
    ) == [("only_value",)]
    golden = published(shop)
    write_identifiers(shop.connection)
    write_golden(shop.connection)
    assert published(shop) == golden
    shop.connection.execute("update identity.state_inputs set fingerprint = 'others' where name = 'survivorship'")
    assert shop.resolve().rewritten == 30


def test_a_failing_run_leaves_the_former_state(shop, monkeypatch):
    shop.populate(6)
    shop.resolve()
    before = shop.ids()
    shop.add("pos", "new", first_name="Neu", last_name="Neumann")

    def fail(*_, **__):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("identity.published.publish", fail)
        with pytest.raises(RuntimeError):
            shop.resolve()
    assert shop.ids() == before
    assert shop.resolve().arrived == 1


def test_one_record_per_source_holds_only_where_declared(shop):
    assert "pos" not in PIPELINE.unique_sources
    for source in ("pos", "sales"):
        for number in (1, 2):
            shop.add(source, f"{source}{number}", first_name="Vera", last_name="Doppelmann", email="vera@doppelmann.de")
    shop.resolve()
    assert shop.profile("pos:pos1") == shop.profile("pos:pos2")
    assert shop.profile("sales:sales1") != shop.profile("sales:sales2")
    assert ("one record per source",) in shop.rows("select reason from identity.refusals")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_many_random_increments_equal_a_rebuild(shop, records_of, seed):
    rng = random.Random(seed)
    known = {f"{source}:{key}": (source, key, values) for n in range(40) for source, key, values in records_of(n)}
    for key in rng.sample(sorted(known), 60):
        shop.add(*known[key][:2], **known[key][2])
    shop.resolve()
    for _ in range(6):
        for key in rng.sample(sorted(known), 8):
            source, record_id, values = known[key]
            action = rng.random()
            if action < 0.25:
                shop.remove(key)
            elif action < 0.5:
                donor = known[rng.choice(sorted(known))][2]
                shop.add(source, record_id, **{**values, **{k: v for k, v in donor.items() if rng.random() < 0.3}})
            else:
                shop.add(source, record_id, **values)
        shop.resolve()
        golden = published(shop)
        write_identifiers(shop.connection)
        write_golden(shop.connection)
        assert published(shop) == golden
        before, edges = shop.ids(), stored(shop, "edges")
        assert shop.resolve(rebuild=True).events == {}
        assert shop.ids() == before
        assert stored(shop, "edges") == edges


def published(shop):
    """Golden records, their origins and the identifiers."""
    return [shop.rows(f"select * from identity.{table} order by all") for table in GOLDEN]


def stored(shop, table):
    """Rows of a table, probabilities and weights as printed."""
    rows = shop.rows(f"select * from identity.{table} order by all")
    return [tuple(f"{value:.9g}" if isinstance(value, float) else value for value in row) for row in rows]


def _shuffle(shop, seed):
    rows = shop.rows("select * from intermediate.int_source_records")
    random.Random(seed).shuffle(rows)
    shop.connection.execute("delete from intermediate.int_source_records")
    marks = ", ".join("?" * len(rows[0]))
    shop.connection.executemany(f"insert into intermediate.int_source_records values ({marks})", rows)
