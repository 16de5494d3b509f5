"""Ids over a shop's whole life: records come, change and go, people merge, split and take it back."""

from __future__ import annotations

import random

import pytest

from identity.decisions import living_profile

BIRTHS = {"created", "split"}
STATUS = {"merged": "merged", "retired": "retired"}


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_an_id_is_born_once_and_always_leads_to_the_living(shop, records_of, seed):
    rng = random.Random(seed)
    known = {f"{source}:{key}": (source, key, values) for n in range(20) for source, key, values in records_of(n)}
    decided: list[tuple[str, str, str, str]] = []
    for key in rng.sample(sorted(known), 40):
        shop.add(*known[key][:2], **known[key][2])
    shop.resolve()
    seen = set(shop.ids().values())
    kinds: set[str] = set()
    for step in range(12):
        for key in rng.sample(sorted(known), 4):
            if rng.random() < 0.4:
                shop.remove(key)
            else:
                shop.add(*known[key][:2], **known[key][2])
        if decided and rng.random() < 0.4:
            kind, one, other, name = decided.pop(rng.randrange(len(decided)))
            shop.decide(kind, one, other, decision=name, active=False)
        else:
            one, other = rng.sample(sorted(shop.ids()), 2)
            kind = "never" if shop.profile(one) == shop.profile(other) else "always"
            if not any({one, other} == {a, b} for _, a, b, _ in decided):
                decided.append((kind, one, other, f"d{step}"))
                shop.decide(kind, one, other, decision=f"d{step}")
        shop.resolve()
        seen |= set(shop.ids().values())
        kinds |= _check(shop, seen)
    assert {"created", "merged", "split", "retired"} <= kinds, "the life was eventful enough to prove anything"
    before = shop.ids()
    assert shop.resolve(rebuild=True).events == {}
    assert shop.ids() == before


def _check(shop, seen):
    """What must hold after every run; returns the kinds of events so far."""
    status = dict(shop.rows("select profile_id, status from identity.profiles"))
    assert seen <= set(status), "no id is forgotten"
    living = {profile for profile, standing in status.items() if standing == "living"}
    assert living == set(shop.ids().values())
    events = shop.rows("select kind, profile_id from identity.identity_events order by seq")
    last: dict[str, str] = {}
    births: dict[str, int] = dict.fromkeys(status, 0)
    for kind, profile in events:
        births[profile] += kind in BIRTHS
        if profile in last and kind in BIRTHS:
            raise AssertionError(f"{profile} was given twice")
        last[profile] = kind
    assert set(births.values()) == {1}
    for profile, standing in status.items():
        assert standing == STATUS.get(last[profile], "living"), (profile, last[profile], standing)
        heir = living_profile(shop.connection, profile)
        if standing == "merged":
            assert status[heir] in ("living", "retired") and heir != profile
    return {kind for kind, _ in events}
