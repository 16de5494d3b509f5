"""A published world of a few people, and an app over it with the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from api.app import create_app
from cdp.settings import Settings, load_settings
from cdp.store import keys, snapshots
from cdp.store.base import Redirect, Store
from cdp.store.memory import InMemoryStore
from tests.support.client import Client
from tests.support.publications import profile_id, publish

# Values that must never be seen without `pii:read`, nor in any log, metric or error.
CANARIES = (
    "Zqxfirst", "Zqxlast", "zqxmail@canary.example", "+41790000099", "1977-07-07", "Zqxstreet", "Zqxcity", "ZQX-4242",
    "zqx-user", "zqx-record", "Zqxnewtrait", "Zqxnewsection",
)  # fmt: skip

DOCUMENT: dict[str, Any] = {
    "profile_id": profile_id(1),
    "is_anonymous": False,
    "traits": {
        "first_name": "Zqxfirst", "last_name": "Zqxlast", "full_name": "Zqxfirst Zqxlast",
        "email": "zqxmail@canary.example",
        "phone": "+41790000099", "birth_date": "1977-07-07", "street": "Zqxstreet", "city": "Zqxcity",
        "postcode": "ZQX-4242", "region": None, "country": "CH", "purchases": 3, "revenue": 99.5,
        "channels": ["web", "store"], "invented_since": "Zqxnewtrait",
    },
    "stage": {"current": "use", "since": "2025-06-01T00:00:00Z"},
    "journey": {"episodes": 3, "regressions": 1, "restarts": 0, "stages": ["awareness", "decision", "use"]},
    "identity": {"records": 4, "sources": 3, "confidence": 0.97},
    "origins": {
        "email": {
            "source": "sales", "source_record_id": "zqx-record", "observed_at": None, "rule": "only_value"
        },
    },
    "invented": {"note": "Zqxnewsection"},
}  # fmt: skip

PEOPLE = 40
IDENTIFIERS = [
    ("email", "zqxmail@canary.example", 1),
    ("phone", "+41790000099", 1),
    ("user_id", "zqx-user", 1),
    ("phone", "+41790000001", 2),
    ("phone", "+41790000001", 3),
]


def lower(kind: str, value: str) -> str:
    """A stand-in for the normaliser of `identity`, which the app is handed."""
    return value.strip().lower()


def publish_world(store: Store, serving: Path, *, run: str = "run-1", people: int = PEOPLE, **more: Any) -> None:
    """Write a snapshot and publish it with the people 1 … `people`."""
    serving.mkdir(parents=True, exist_ok=True)
    source = serving.parent / f"warehouse-{run}.duckdb"
    with duckdb.connect(str(source)) as connection:
        build_marts(connection, people)
        build_identity(connection)
    path = snapshots.write_snapshot(source, serving, run)
    source.unlink()
    documents = {number: {"profile_id": profile_id(number), "traits": {}} for number in range(2, people + 1)}
    given: dict[str, Any] = {
        "identifiers": IDENTIFIERS,
        "members": {"empty": [], "new": range(1, people + 1)},
        "redirects": [
            Redirect(profile_id(901), "merged", profile_id(1)),
            Redirect(profile_id(902), "retired"),
            Redirect(profile_id(903), "split"),
        ],
    }
    publish(store, {1: DOCUMENT, **documents}, run=run, **{**given, **more})
    snapshots.point_to(serving, path)


def build_marts(connection: duckdb.DuckDBPyConnection, people: int) -> None:
    """Marts in which person n goes through three stages with ten touchpoints."""
    connection.execute(
        f"""
        create schema marts; create schema identity;
        create temp table person as
        select printf('%08x-0000-4000-8000-000000000000', n) as profile_id, n from range(1, {people + 1}) t(n);
        create table marts.journey_stages as
        select * from (values
            ('awareness', 1, 'Awareness', 'hears of us', true, 90, 90),
            ('consideration', 2, 'Consideration', 'looks around', true, 90, 90),
            ('decision', 3, 'Decision', 'buys', true, 30, 30),
            ('use', 4, 'Use', 'uses', true, 365, 365),
            ('loyalty', 5, 'Loyalty', 'comes back', true, 365, 365),
            ('lapsed', 6, 'Lapsed', 'is gone', false, null, null)
        ) t(stage, position, label, description, is_path, lapse_after_days, hold_days);
        create table marts.touchpoints as
        select
            'web:events:' || n || '-' || k as touchpoint_id, profile_id,
            timestamp '2025-06-01' + to_hours((n * 10 + k // 2)::int) as occurred_at,
            'web' as source, 'web' as channel, 'home' as touchpoint_type, 'Home Viewed' as event_name,
            case when k = 0 then 'awareness' when k = 4 then 'consideration' when k = 8 then 'decision' end as stage,
            'path' as lane, case when k = 8 then 20.0 end as amount, case when k = 8 then 'CHF' end as currency,
            'mobile' as device, 'welcome' as campaign, n || '-' || k as source_record_key, true as is_activity
        from person, range(10) t(k);
        create table marts.stage_episodes as
        select
            profile_id || ':' || e as episode_id, profile_id, e as episode_number,
            ['awareness', 'consideration', 'decision'][e] as stage,
            timestamp '2025-06-01' + to_hours((n * 10 + e * 2 - 2)::int) as entered_at,
            case when e < 3 then timestamp '2025-06-01' + to_hours((n * 10 + e * 2)::int) end as left_at,
            e = 3 as is_open, case when e = 1 then 'start' else 'forward' end as move, 3 as touchpoints
        from person, range(1, 4) t(e);
        create table marts.stage_transitions as
        select b.episode_id as transition_id, b.profile_id, a.stage as from_stage, b.stage as to_stage,
            b.entered_at as occurred_at, b.move, 2 / 24.0 as days_in_from
        from marts.stage_episodes a join marts.stage_episodes b
            on a.profile_id = b.profile_id and b.episode_number = a.episode_number + 1;
        create table marts.purchases as
        select touchpoint_id as purchase_id, profile_id, occurred_at, amount, currency, source, channel,
            1 as purchase_number
        from marts.touchpoints where amount is not null;
        create table marts.tickets as
        select 't' || n as ticket_id, profile_id,
            timestamp '2025-06-20' as created_at, timestamp '2025-06-21' as solved_at, 24.0 as hours_to_solution,
            false as is_slow, 'email' as channel, 'Where is it?' as subject,
            'Where is my order?' as description, if(n % 2 = 0, 'good', 'bad') as satisfaction, '' as tags
        from person where n % 4 = 0;
        create table marts.source_records as
        select profile_id, timestamp '2025-05-01' as created_at from person;
        create table marts.experiments as
        select 'welcome' as experiment, profile_id, case when n % 2 = 0 then 'test' else 'control' end as arm,
            timestamp '2025-06-01' as assigned_at from person;
        create table marts.profiles as
        select profile_id, n > 30 as is_anonymous,
            case when n = 2 then '=cmd()' else 'First' || n end as first_name, 'Last' || n as last_name,
            first_name || ' ' || last_name as full_name,
            case when n <= 30 then 'person' || n || '@example.org' end as email, '+4179' || n as phone,
            'Street ' || n as street, '8000' as postcode, ['CH', 'DE', 'FR', 'IT'][1 + n % 4] as country,
            case n % 3 when 0 then true when 1 then false end as marketing_consent, n % 9 = 0 as unsubscribed,
            timestamp '2025-06-01' as first_seen_at,
            timestamp '2025-07-01' as last_seen_at, 10 as touchpoints, ['web'] as channels,
            1 as purchases, 20.0 as revenue,
            timestamp '2025-06-10' as first_purchase_at, timestamp '2025-06-10' as last_purchase_at,
            0 as tickets, 0 as slow_tickets, 0 as satisfaction_good, 0 as satisfaction_bad, 0 as emails_clicked,
            'decision' as current_stage, timestamp '2025-06-11' as stage_since
        from person;
        create table marts.consent_statements as
        select profile_id, 'sales' as source, 'sales' || n as source_record_id, n % 3 = 0 as consents,
            false as is_objection, timestamp '2025-05-01' as stated_at
        from person where n % 3 < 2
        union all
        select profile_id, 'marketing', 'person' || n || '@example.org', false, true, timestamp '2025-06-01'
        from person where n % 9 = 0
        """
    )


def build_identity(connection: duckdb.DuckDBPyConnection) -> None:
    """Identity beside the marts: each person has a record in sales and one of the web, some pairs are in doubt."""
    connection.execute(
        """
        create table identity.identity_map as
        select source, source || n as source_record_id, profile_id, 0.9 as confidence, false as provisional
        from person, (values ('sales'), ('web')) s(source);
        create table identity.profiles as
        select profile_id, n as created_seq, 'living' as status, null::varchar as merged_into, 'run-1' as created_run
        from person;
        create table identity.identity_events as
        select n as seq, 'run-1' as run_id, 'created' as kind, profile_id, '[]' as others, 'first seen' as reason,
            timestamp '2026-01-01' as "at" from person;
        create table identity.edges as
        select 'sales:sales' || n as record_a, 'web:web' || n + 1 as record_b, 0.0 as weight, 0.5 as probability,
            false as name_only, 'm' as model_version from person where n % 2 = 1 and n < 20;
        create table identity.refusals as
        select 'sales:sales' || n as record_a, 'sales:sales' || n + 1 as record_b, 'size cap' as reason,
            0.9 as probability from person where n % 2 = 0 and n < 20;
        create table identity.state_features as
        select source, source || n as source_record_id, 'person' || n || '@example.org' as email_norm,
            '+4179' || n as telephone, 'first' as given, 'last' as family, null::varchar as birth,
            null::varchar as address, null::varchar as postcode, null::varchar as city
        from person, (values ('sales'), ('web')) s(source);
        create table marts.trait_origins as
        select profile_id, 'email' as trait, 'sales' as source, 'sales' || n as source_record_id from person;
        create table identity.decisions (decision_id varchar, kind varchar, record_a varchar, record_b varchar);
        -- the id that the description of the API gives as its example
        insert into identity.profiles values ('0b6f1c1e-6f0a-4b8e-9a51-6f2a1f0c7d11', 0, 'living', null, 'run-1')
        """
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings over an empty home."""
    return load_settings(home=tmp_path / "home", memory_limit="1GB")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[InMemoryStore, Path]:
    """The published world, made once; tests that use it leave it as it is."""
    home = tmp_path_factory.mktemp("world") / "home"
    home.mkdir()
    store = InMemoryStore()
    publish_world(store, home / "serving")
    return store, home


@pytest.fixture(scope="session")
def client(world: tuple[InMemoryStore, Path]) -> Iterator[Client]:
    """The app over the published world, called without a key."""
    store, home = world
    app = create_app(load_settings(home=home, memory_limit="1GB"), store=store, normalise=lower)
    with Client(app) as calling:
        yield calling


@pytest.fixture(scope="session")
def key(world: tuple[InMemoryStore, Path]) -> Callable[..., str]:
    """Makes a key with the scopes it is given."""

    def make(*scopes: str) -> str:
        wanted: Sequence[str] = scopes or list(keys.SCOPES)
        return keys.create(world[0], "test", wanted)

    return make


@pytest.fixture(scope="session")
def reader(client: Client, key: Callable[..., str]) -> Client:
    """A caller who may see everything."""
    return client.by(key())


@pytest.fixture(scope="session")
def masked(client: Client, key: Callable[..., str]) -> Client:
    """A caller who may read, but not see personal data."""
    return client.by(key("profiles:read", "segments:read", "journeys:read"))
