"""Hubs: what many share says nothing; the list is learned, shown and edited."""

from __future__ import annotations

NOW = "2026-01-01"
PHONE = "+12065551234"


def crowd(shop, people, phone="206 555 1234"):
    names = ["Anna", "Bruno", "Clara", "Dieter", "Elsa", "Fritz", "Greta", "Hans", "Inge", "Jakob"]
    for number in range(people):
        shop.add("pos", f"h{number}", first_name=names[number], last_name=f"{names[-number - 1]}mann", phone=phone)


def hubs(shop):
    return shop.rows("select kind, value, names, origin from identity.state_hubs order by all")


def test_a_shop_phone_is_learned_and_forgotten(shop):
    crowd(shop, 8)
    shop.resolve()
    assert hubs(shop) == [("phone", PHONE, 8, "learned")]
    assert shop.rows("select count(*) from identity.identifiers where type = 'phone'") == [(0,)]
    for number in range(3):
        shop.remove(f"pos:h{number}")
    shop.resolve()
    assert hubs(shop) == []
    assert shop.rows("select count(*) from identity.identifiers where type = 'phone'") == [(5,)]


def test_a_household_phone_is_no_hub(shop):
    crowd(shop, 5)
    shop.resolve()
    assert hubs(shop) == []


def test_the_list_can_be_edited_and_an_edit_alone_starts_a_run(shop):
    crowd(shop, 5)
    shop.resolve()
    shop.edit("phone", PHONE, "block")
    assert shop.resolve().changed
    assert hubs(shop) == [("phone", PHONE, 5, "override")]
    assert not shop.resolve().changed
    shop.edit("phone", PHONE, "learn")
    assert shop.resolve().changed
    assert hubs(shop) == []


def test_an_allowed_value_is_never_a_hub(shop):
    crowd(shop, 8)
    shop.resolve()
    shop.edit("phone", PHONE, "allow")
    assert shop.resolve().changed
    assert hubs(shop) == []
    assert not shop.resolve().changed
    shop.edit("phone", PHONE, "learn")
    assert shop.resolve().changed
    assert hubs(shop) == [("phone", PHONE, 8, "learned")]


def test_a_value_that_becomes_a_hub_parts_those_it_joined(shop):
    shop.add("sales", "s1", first_name="Anna", last_name="Jakobmann", phone="206 555 1234")
    crowd(shop, 5)
    shop.resolve()
    before = shop.rows("select count(*) from identity.edges")[0][0]
    crowd(shop, 9)
    shop.resolve()
    incremental = shop.partition()
    assert hubs(shop)[0][1] == PHONE
    assert shop.rows("select count(*) from identity.edges")[0][0] <= before
    assert shop.resolve(rebuild=True).events == {}
    assert shop.partition() == incremental
