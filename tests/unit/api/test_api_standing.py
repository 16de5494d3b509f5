"""Where people stand over HTTP: personas, correlations, predictions and rules, and the standing beside the stays."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from api.app import create_app
from cdp.settings import load_settings
from cdp.store import keys, snapshots
from cdp.store.memory import InMemoryStore
from journeys.personas import rules, tables
from journeys.predictions.estimate import estimate
from journeys.rules import history
from tests.support.client import Client
from tests.support.publications import NOW, profile_id, publish
from tests.unit.api.conftest import CANARIES, DOCUMENT, build_marts, lower

PATHS = ("personas", "correlations", "predictions", "rules")
PEOPLE = 60


def derive(connection: duckdb.DuckDBPyConnection) -> None:
    """What the pipeline derives from the marts, made by the same functions."""
    for column in ("is_activity boolean default true", "acquisition_channel varchar"):
        connection.execute(f"alter table marts.touchpoints add column if not exists {column}")
    connection.execute("create table chosen as select profile_id, if(n > 30, 'regular', null) as key from person")
    tables.write(connection, rules.load(), "chosen", {"regular": "People whose purchases are at least 3."})
    estimate(connection, NOW)
    connection.execute(history.TABLES)
    connection.execute(
        "insert into marts.stage_rule_versions values (1, 'retail', 'd', 'run-1', '2026-01-01', '{}', "
        "'[\"first version\"]', null, null, null, null)"
    )


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("standing") / "home"
    (home / "serving").mkdir(parents=True)
    store = InMemoryStore()
    warehouse = home.parent / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        build_marts(connection, PEOPLE)
        derive(connection)
    snapshots.point_to(home / "serving", snapshots.write_snapshot(warehouse, home / "serving", "run-1"))
    documents = {number: {"profile_id": profile_id(number), "traits": {}} for number in range(2, PEOPLE + 1)}
    publish(store, {1: DOCUMENT, **documents}, members={"few": range(1, 5)})
    app = create_app(load_settings(home=home, memory_limit="1GB"), store=store, normalise=lower)
    secret = keys.create(store, "test", ["profiles:read", "journeys:read"])
    with Client(app) as calling:
        yield calling.by(secret)


@pytest.mark.parametrize("path", PATHS)
class TestAccess:
    def test_anonymous(self, client: Client, path: str) -> None:
        assert client.get(f"/v1/journeys/{path}").status_code == 401

    def test_missing_scope(self, client: Client, key, path: str) -> None:
        answer = client.by(key("profiles:read", "pii:read")).get(f"/v1/journeys/{path}")
        assert answer.status_code == 403 and "journeys:read" in answer.json()["detail"]

    def test_answers_hold_no_personal_data(self, standing: Client, path: str) -> None:
        answer = standing.get(f"/v1/journeys/{path}")
        assert answer.status_code == 200
        assert not [canary for canary in CANARIES if canary in answer.text]
        assert profile_id(1) not in answer.text


def test_personas_add_up_and_can_be_asked_of_a_segment(standing: Client) -> None:
    everyone = standing.get("/v1/journeys/personas").json()
    assert sum(one["people"]["value"] for one in everyone["personas"]) == everyone["people"] == PEOPLE
    few = standing.get("/v1/journeys/personas", params={"segment": "few"}).json()
    assert few["people"] == 4
    assert standing.get("/v1/journeys/personas", params={"segment": "no-such"}).status_code == 404
    assert standing.get("/v1/journeys/personas", params={"segment": "x" * 300}).status_code == 422


@pytest.mark.parametrize("path", ["personas", "correlations"])
def test_two_audiences_side_by_side(standing: Client, path: str) -> None:
    found = standing.get(f"/v1/journeys/{path}?persona=regular&compare=everybody").json()
    assert found["audience"]["persona"] == "regular" and found["people"] == 30
    assert found["compare"]["people"] == PEOPLE and "audience" in found["queries"]
    wrong = standing.get(f"/v1/journeys/{path}?persona=regualr")
    assert wrong.status_code == 404 and "did you mean `regular`" in wrong.json()["detail"]
    again = standing.get(
        f"/v1/journeys/{path}", headers={"If-None-Match": standing.get(f"/v1/journeys/{path}").headers["etag"]}
    )
    assert again.status_code == 304


def test_correlations_say_that_they_are_associations(standing: Client) -> None:
    answer = standing.get("/v1/journeys/correlations").json()
    assert answer["basis"] == "association"
    assert all({"value", "n"} <= set(cell["value"]) for cell in answer["cells"])


def test_predictions_say_what_they_rest_on(standing: Client) -> None:
    card = standing.get("/v1/journeys/predictions").json()
    assert card["coverage"]["profiles"] == PEOPLE and card["horizon_days"] == 90
    assert "association" in card["wording"]


def test_rules_list_their_versions(standing: Client) -> None:
    found = standing.get("/v1/journeys/rules").json()
    assert found["version"] == 1 and found["versions"][0]["changes"] == ["first version"]


def test_a_snapshot_of_before_says_what_to_do(masked: Client) -> None:
    for path in ("personas", "predictions", "rules"):
        answer = masked.get(f"/v1/journeys/{path}")
        assert answer.status_code == 404 and "cdp run" in answer.json()["detail"]


def test_stays_come_with_where_the_person_stands(standing: Client) -> None:
    page = standing.get(f"/v1/profiles/{profile_id(1)}/journey").json()
    assert page["standing"]["stage"]["current"] == DOCUMENT["stage"]["current"]
    assert page["standing"]["journey"]["regressions"] == 1
    assert [stay["stage"] for stay in page["data"]] == ["awareness", "consideration", "decision"]
    bare = standing.get(f"/v1/profiles/{profile_id(2)}/journey").json()
    assert bare["standing"] == {"stage": None, "journey": None}
