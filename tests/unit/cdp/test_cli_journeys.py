"""The commands of `cdp journey` over a small published world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cdp.cli.app import run
from cdp.store import open_store, snapshots
from cdp.store.base import ProfileDocument, Publication
from segments import document
from tests.support.publications import NOW, segment
from tests.unit.journeys.conftest import build_world


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state home in which a world of 160 people is published, with one segment of buyers."""
    folder = tmp_path_factory.mktemp("cli") / "home"
    folder.mkdir()
    connection = build_world(7, people=160)
    buyers = [row[0] for row in connection.execute("select distinct profile_id from marts.purchases").fetchall()]
    # What the consent gate looks at: every third person has agreed.
    connection.execute(
        "alter table marts.profiles add column marketing_consent boolean;"
        "alter table marts.profiles add column unsubscribed boolean;"
        "update marts.profiles set marketing_consent = hash(profile_id) % 3 = 0, unsubscribed = false"
    )
    warehouse = folder / "warehouse.duckdb"
    connection.execute(f"attach '{warehouse}' as kept; create schema kept.marts; create schema kept.identity")
    tables = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'marts' and table_catalog = 'memory'"
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"create table kept.marts.{table} as select * from memory.marts.{table}")
    connection.execute("detach kept")
    path = snapshots.write_snapshot(warehouse, folder / "serving", "run-1")
    with open_store(f"sqlite:///{folder / 'store.sqlite'}") as store:
        store.publish(
            Publication("run-1", path.name, NOW, {"profiles": len(buyers)}, "fingerprint"),
            profiles=(ProfileDocument(who, {}) for who in buyers),
            identifiers=(),
            redirects=(),
            segments=[segment("buyers", size=len(buyers))],
            memberships=(("buyers", who, True) for who in buyers),
        )
    snapshots.point_to(folder / "serving", path)
    return folder


@pytest.fixture
def cdp(home, monkeypatch, capsys):
    """Runs a command; gives exit code, stdout and stderr."""
    monkeypatch.setenv("CDP_HOME", str(home))

    def call(*words: str) -> tuple[int, str, str]:
        code = run(list(words))
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


FUNNEL = ("journey", "funnel", "--step", "product", "--step", "add_to_cart", "--step", "web_order", "--window", "1d")


def answered(cdp, *words):
    code, out, err = cdp(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_funnel_as_json_is_one_document(cdp):
    found = answered(cdp, *FUNNEL, "--by", "device", "--at", "last")
    steps = found["result"]["steps"]
    assert [step["name"] for step in steps] == ["product", "add_to_cart", "web_order"]
    assert steps[0]["units"]["value"] >= steps[1]["units"]["value"] >= steps[2]["units"]["value"] > 0
    assert set(found["result"]["groups"]) <= {"mobile", "desktop", "tablet"}
    assert found["compare"] is None and found["people"] == 160
    assert "select" in found["result"]["queries"]["funnel"]["sql"]


def test_two_audiences_side_by_side(cdp):
    found = answered(cdp, *FUNNEL, "--compare", "buyers")
    assert found["compare"]["audience"]["segment_title"] == "Buyers"
    assert found["compare"]["people"] < found["people"]
    both, own = found["result"]["steps"][2]["units"]["value"], found["compare"]["result"]["steps"][2]["units"]["value"]
    assert both == own, "who orders is a buyer"
    assert "audience" in found["compare"]["result"]["queries"]
    code, out, _ = cdp(*FUNNEL, "--compare", "buyers")
    assert code == 0 and "— everybody, 160 people —" in out and "segment Buyers" in out


@pytest.mark.parametrize(
    "words",
    [
        ("paths", "--after", "home"),
        ("paths", "--before", "web_order", "--depth", "3"),
        ("paths", "--after", "decision", "--before", "use", "--of", "stage"),
        ("transitions",),
        ("transitions", "--of", "touchpoint_type", "--unit", "visit"),
        ("happy-path",),
        ("happy-path", "--planned", "awareness,decision,use"),
        ("attribution", "--model", "markov", "--model", "last"),
        ("value", "--horizon", "90d"),
    ],
)
@pytest.mark.parametrize("whom", [(), ("--segment", "buyers", "--period", "2025-01..2025-12")])
def test_every_question_is_answered_as_text_and_as_json(cdp, words, whom):
    code, out, err = cdp("journey", *words, *whom)
    assert code == 0 and out.strip(), err
    found = answered(cdp, "journey", *words, *whom)
    assert set(found) == {"as_of", "audience", "people", "result", "compare"}
    for query in found["result"]["queries"].values():
        assert query["models"] and "select" in query["sql"]


def test_people_of_a_step_become_a_definition_or_a_list(cdp, tmp_path):
    plain = tmp_path / "dropped.yaml"
    code, out, _ = cdp(*FUNNEL, "--node", "step.1.dropped", "--segment-out", str(plain))
    assert code == 0 and "the segment dropped is defined" in out
    content = yaml.safe_load(plain.read_text())
    assert document.parse(content).key == "dropped"
    found = answered(cdp, *FUNNEL)["result"]["steps"]
    listed = tmp_path / "deep" / "people.yaml"
    code, out, err = cdp(*FUNNEL, "--node", "step.3.reached", "--segment-out", str(listed), "--purpose", "marketing")
    assert code == 0
    content = yaml.safe_load(listed.read_text())
    assert content["size"] == found[2]["units"]["value"]
    assert len(content["profile_ids"]) == content["size"] - content["held_back"]
    assert 0 < content["held_back"] < content["size"] and "may not be used for marketing" in err
    code, _, _ = cdp(*FUNNEL, "--node", "step.3.reached", "--segment-out", str(listed))
    assert code == 0 and yaml.safe_load(listed.read_text())["held_back"] == 0


def test_what_was_written_is_told_as_json(cdp, tmp_path):
    out, people = tmp_path / "map.svg", tmp_path / "people.yaml"
    found = answered(cdp, "journey", "map", "--out", str(out))
    assert found["path"] == str(out) and found["title"]
    found = answered(cdp, *FUNNEL, "--node", "step.3.reached", "--segment-out", str(people), "--purpose", "marketing")
    assert found["kind"] == "list" and found["held_back"] > 0 and found["path"] == str(people)


def test_the_definition_can_be_previewed_as_it_is(cdp, tmp_path):
    out = tmp_path / "in_use.yaml"
    code, said, _ = cdp("journey", "map", "--segment", "buyers", "--node", "people.use.now", "--segment-out", str(out))
    assert code == 0 and "is defined in" in said
    assert yaml.safe_load(out.read_text())["where"]["type"] == "and"


@pytest.mark.parametrize(
    ("file_format", "more", "begin"),
    [
        ("svg", (), b"<svg"),
        ("html", ("--segment", "buyers"), b"<!doctype html>"),
        ("json", ("--compare", "buyers"), b"{"),
        ("xlsx", ("--compare", "buyers"), b"PK"),
        ("mmd", ("--lang", "zh"), b"---\ntitle:"),
    ],
)
def test_maps_in_formats_that_need_no_fonts(cdp, tmp_path, file_format, more, begin):
    out = tmp_path / f"map.{file_format}"
    code, said, err = cdp("journey", "map", "--out", str(out), *more)
    assert code == 0 and str(out) in said, err
    assert out.read_bytes().startswith(begin)


def test_a_map_says_whom_it_shows(cdp, tmp_path):
    out = tmp_path / "map.svg"
    code, _, _ = cdp(
        "journey", "map", "--out", str(out), "--channel", "web", "--who", "new", "--period", "2025-01..2025-06"
    )
    assert code == 0
    text = out.read_text()
    assert "Came through web first, new in the period" in text and "2025-01-01 – 2025-06-30" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*FUNNEL[:4],), "at least two steps"),
        ((*FUNNEL[:4], "--step", "cart"), "did you mean `add_to_cart`"),
        ((*FUNNEL[:-1], "0d"), "longer than zero"),
        ((*FUNNEL[:-1], "soon"), "no duration"),
        ((*FUNNEL, "--segment", "byers"), "did you mean `buyers`"),
        ((*FUNNEL, "--mode", "loose"), "mode"),
        ((*FUNNEL, "--by", "colour"), "breakdown.by"),
        ((*FUNNEL, "--exclude", "home@2-2"), "between two"),
        ((*FUNNEL, "--node", "step.1.reached"), "belong together"),
        ((*FUNNEL, "--node", "x", "--segment-out", "x.yaml"), "no number of this funnel"),
        ((*FUNNEL, "--node", "step.1.reached", "--segment-out", "x.yaml", "--purpose", "fun"), "no purpose fun"),
        (("journey", "happy-path", "--planned", "awareness,desicion"), "did you mean `decision`"),
        (("journey", "happy-path", "--planned", "awareness"), "at least two stages"),
        (("journey", "paths"), "need an anchor"),
        (("journey", "value", "--horizon", "12h"), "whole days"),
        (("journey", "value", "--persona", "x"), "no personas"),
        (("journey", "attribution", "--window", "0d"), "at least one day"),
        (("journey", "transitions", "--period", "2031.."), "the data ends"),
        (("journey", "map"), "Name a file"),
        (("journey", "map", "--out", "map.gif"), "no format `gif`"),
        (("journey", "map", "--out", "map.svg", "--lang", "fr"), "speaks en and zh"),
        (("journey", "map", "--out", "map.svg", "--period", "2019"), "no period"),
        (("journey", "map", "--out", "map.svg", "--period", "2019..2019"), "touchpoints are from"),
    ],
)
def test_senseless_questions_end_in_one_sentence(cdp, words, message):
    code, out, err = cdp(*words)
    assert code == 1 and out == ""
    assert message in err and err.startswith("cdp: ") and err.count("\n") == 1


def test_an_empty_period_is_an_honest_zero(cdp):
    found = answered(cdp, *FUNNEL, "--period", "2019..2019")
    assert [step["units"]["value"] for step in found["result"]["steps"]] == [0, 0, 0]
    assert found["result"]["conversion"]["value"] is None
    assert answered(cdp, "journey", "transitions", "--period", "2019..2019")["result"]["edges"] == []


def test_a_funnel_from_a_file(cdp, tmp_path):
    file = tmp_path / "funnel.yaml"
    file.write_text("steps: [{events: [product]}, {events: [web_order], name: bought}]\nwindow: 2h\nmode: ordered\n")
    found = answered(cdp, "journey", "funnel", "--definition", str(file))
    assert found["result"]["steps"][1]["name"] == "bought"
    file.write_text("steps: {")
    code, _, err = cdp("journey", "funnel", "--definition", str(file))
    assert code == 1 and "no readable YAML" in err
    assert cdp(*FUNNEL, "--definition", str(file))[0] == 1
    assert cdp("journey", "funnel", "--definition", str(tmp_path / "none.yaml"))[0] == 1


def test_help_names_the_options(cdp):
    code, out, _ = cdp("journey", "funnel", "--help")
    assert code == 0
    for option in ("--step", "--exclude", "--compare", "--segment-out", "--hours", "--persona"):
        assert option in out


EVIDENCE = (
    ("breaks",),
    ("touchpoints", "--window", "7"),
    ("experiments",),
    ("holdout", "letter", "--share", "20"),
    ("feeling",),
    ("findings",),
    ("interventions",),
)


@pytest.mark.parametrize("words", EVIDENCE)
@pytest.mark.parametrize(
    "whom", [(), ("--segment", "buyers", "--compare", "everybody"), ("--who", "new", "--period", "2025-01..2025-12")]
)
def test_evidence_is_told_of_any_audience_as_text_and_as_json(cdp, words, whom):
    found = answered(cdp, "journey", *words, *whom)
    assert found["as_of"].startswith("2026-01-01") and found["people"] > 0
    assert all("select" in query["statement"] for query in found["queries"].values())
    assert ("audience" in found["queries"]) == bool(whom)
    if "--compare" in whom:
        assert found["audience"]["segment"] == "buyers" and found["compare"]["people"] == 160
    code, out, err = cdp("journey", *words, *whom)
    assert code == 0, err
    assert out.strip() and ("— segment Buyers" in out) == ("buyers" in whom)


def test_a_holdout_is_drawn_as_a_definition_of_the_same_people(cdp, tmp_path):
    file = tmp_path / "letter.yaml"
    drawing = ("journey", "holdout", "letter", "--share", "20")
    written = answered(cdp, *drawing, "--node", "held_out", "--segment-out", str(file))
    assert written["kind"] == "definition" and written["size"] == answered(cdp, *drawing)["held_out"]["value"]
    assert yaml.safe_load(file.read_text())["where"]["salt"] == "letter"
    condition = answered(cdp, *drawing)["condition"]
    assert condition == "sample('letter', 20%)" and document.parse({"key": "a", "title": "A", "where": condition})
    code, out, err = cdp(*drawing)
    assert code == 0 and f"held out by {condition}" in out and "No segment uses the key `letter`" in err
    assert "more than 0 and less than 100 percent" in cdp("journey", "holdout", "letter", "--share", "101")[2]
    code, _, err = cdp(*drawing, "--node", "nobody", "--segment-out", str(file))
    assert code == 1 and "held_out and reached" in err


def test_whom_an_intervention_begins_with_is_written_as_a_segment(cdp, tmp_path):
    file = tmp_path / "late.yaml"
    call = ("journey", "interventions", "--node", "answer_in_time", "--segment-out", str(file))
    everybody = answered(cdp, *call)
    assert everybody["kind"] == "definition" and everybody["size"] > 0
    buyers = answered(cdp, *call, "--segment", "buyers")
    assert buyers["size"] < everybody["size"]
    assert document.parse(yaml.safe_load(file.read_text())).key == "late"
    for words, message in (
        ((*call, "--hours", "18..22"), "everybody, a segment or a persona"),
        (("journey", "interventions", "--node", "answer_in_tme", "--segment-out", str(file)), "did you mean"),
        (("journey", "interventions", "--lang", "xx"), "en and zh"),
        (("journey", "map", "--node", "intervention.answer_in_time", "--segment-out", str(file)), "--node KEY"),
    ):
        code, _, err = cdp(*words)
        assert code == 1 and message in err


def test_what_is_planned_is_kept_and_shown(cdp, home):
    try:
        kept = answered(cdp, "journey", "plan", "answer_in_time", "--difficulty", "1", "--status", "running")
        assert (kept["difficulty"], kept["status"]) == (1, "running")
        code, _, err = cdp("journey", "plan", "answer_in_tim", "--status", "running")
        assert code == 1 and "did you mean `answer_in_time`" in err
        code, _, err = cdp("journey", "plan", "answer_in_time", "--status", "perhaps")
        assert code == 1 and "status" in err
    finally:
        (home / "interventions.yaml").unlink()
