"""Devices: split by time between people, a profile of their own until somebody identifies."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import pytest


@pytest.fixture
def web(shop):
    for number, name in enumerate(("Ada", "Berta", "Carl"), start=1):
        shop.add("web", f"u{number}", first_name=name, last_name=f"{name}feld", email=f"{name}@{name}feld.de".lower())
    return shop


def seen(shop, device):
    shop.connection.execute("insert into intermediate.int_devices values (?, '2025-01-01', '2025-12-31', 10)", [device])


def identify(shop, device, user, start, end):
    shop.connection.execute(
        "insert into intermediate.int_device_identifies values (?, ?, ?, ?)", [device, user, start, end]
    )


def intervals(shop, device):
    return shop.rows(
        "select profile_id, valid_from, valid_to, basis from identity.device_map where anonymous_id = ? order by 2",
        device,
    )


def test_a_device_belongs_to_its_person_for_all_time(web):
    seen(web, "d")
    identify(web, "d", "u1", "2025-03-01", "2025-03-02")
    web.resolve()
    assert intervals(web, "d") == [(web.profile("web:u1"), datetime(1, 1, 1), datetime(9999, 12, 31), "identify")]


def test_a_shared_device_is_split_by_time_and_not_merged(web):
    seen(web, "d")
    identify(web, "d", "u1", "2025-03-01 10:00", "2025-03-01 11:00")
    identify(web, "d", "u2", "2025-03-05 20:00", "2025-03-05 20:10")
    identify(web, "d", "u1", "2025-03-05 20:15", "2025-03-06 08:00")
    web.resolve()
    ada, berta = web.profile("web:u1"), web.profile("web:u2")
    assert ada != berta
    first, second, third = intervals(web, "d")
    # The sitting in which Berta identified is hers from half an hour before; Ada's begins after Berta was last seen.
    assert first == (ada, datetime(1, 1, 1), datetime(2025, 3, 5, 19, 30), "identify")
    assert second == (berta, datetime(2025, 3, 5, 19, 30), datetime(2025, 3, 5, 20, 10, 0, 1), "identify")
    assert third == (ada, datetime(2025, 3, 5, 20, 10, 0, 1), datetime(9999, 12, 31), "identify")


def test_two_users_of_one_person_are_one_interval(web):
    web.add("sales", "s1", first_name="Ada", last_name="Adafeld", email="ada@adafeld.de")
    web.add("support", "r1", full_name="Ada Adafeld", email="ada@adafeld.de")
    seen(web, "d")
    identify(web, "d", "u1", "2025-03-01", "2025-03-02")
    identify(web, "d", "u1", "2025-04-01", "2025-04-02")
    web.resolve()
    assert len(intervals(web, "d")) == 1


def test_an_unknown_visitor_has_a_profile_that_joins_its_person_later(web):
    seen(web, "d")
    web.resolve()
    visitor, *_, basis = intervals(web, "d")[0]
    assert basis == "anonymous"
    assert web.rows("select is_anonymous, records from identity.golden where profile_id = ?", visitor) == [(True, 0)]
    identify(web, "d", "u3", "2025-06-01", "2025-06-02")
    report = web.resolve()
    carl = web.profile("web:u3")
    assert report.events == {"merged": 1}
    assert intervals(web, "d")[0][0] == carl
    assert web.rows("select status, merged_into from identity.profiles where profile_id = ?", visitor) == [
        ("merged", carl)
    ]
    assert web.rows("select count(*) from identity.golden where profile_id = ?", visitor) == [(0,)]


def test_a_vanished_identify_restores_the_visitor_and_a_vanished_device_retires_it(web):
    seen(web, "d")
    web.resolve()
    visitor = intervals(web, "d")[0][0]
    identify(web, "d", "u3", "2025-06-01", "2025-06-02")
    web.resolve()
    web.connection.execute("delete from intermediate.int_device_identifies")
    assert web.resolve().events == {"restored": 1}
    assert intervals(web, "d")[0][0] == visitor
    web.connection.execute("delete from intermediate.int_devices")
    assert web.resolve().events == {"retired": 1}
    assert intervals(web, "d") == []


def test_intervals_cover_all_time_without_overlap(web):
    for number in range(6):
        seen(web, f"d{number}")
        for turn in range(number):
            day = f"2025-0{1 + turn}-0{1 + number}"
            identify(web, f"d{number}", f"u{1 + (turn * number) % 3}", f"{day} 12:00", f"{day} 13:00")
    web.resolve()
    rows = web.rows("select anonymous_id, valid_from, valid_to from identity.device_map order by 1, 2")
    by_device = {}
    for device, start, end in rows:
        by_device.setdefault(device, []).append((start, end))
    assert set(by_device) == {f"d{number}" for number in range(6)}
    for turns in by_device.values():
        assert turns[0][0] == datetime(1, 1, 1)
        assert turns[-1][1] == datetime(9999, 12, 31)
        assert all(one[1] == other[0] for one, other in pairwise(turns))


def test_marketing_addresses_find_their_person_or_stand_alone(web):
    for address in ("ada@adafeld.de", "stranger@nowhere.org"):
        web.connection.execute("insert into intermediate.int_marketing_addresses values (?, null, null)", [address])
    web.resolve()
    assert web.profile("marketing:ada@adafeld.de") == web.profile("web:u1")
    alone = web.profile("marketing:stranger@nowhere.org")
    assert web.rows("select email, is_anonymous from identity.golden where profile_id = ?", alone) == [
        ("stranger@nowhere.org", False)
    ]
    web.add("pos", "p9", first_name="Zoe", last_name="Zander", email="stranger@nowhere.org")
    assert web.resolve().events == {"created": 1, "merged": 1}
    assert web.profile("marketing:stranger@nowhere.org") == web.profile("pos:p9")
