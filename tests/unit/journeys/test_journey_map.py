from __future__ import annotations

import importlib.util
import itertools
import json
import re
import struct
import xml.etree.ElementTree as ET
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.errors import ConfigurationError, InputError, NotFoundError
from journeys.breaks import search
from journeys.feeling import tables
from journeys.findings.model import Findings
from journeys.map import export, finding, fonts, mermaid, svg
from journeys.map.content import FEELING_PARTS
from journeys.map.finding import sharpest
from journeys.map.model import build_map
from journeys.map.page import Page, clear_of, spread
from journeys.map.words import Words, whole_percents
from journeys.measures import Measure
from journeys.scope import Scope

HAS_CJK_FONT = importlib.util.find_spec("pylopdf_fonts_zh_cn") is not None


@pytest.fixture(scope="module")
def world(make_world, as_of):
    """A world in which every third ticket says something, and what it says was read."""
    found = make_world(1)
    found.execute(
        "update marts.tickets set description = case substr(ticket_id, 2)::integer % 3 when 0 then 'Great help, very "
        "friendly.' when 1 then 'Terrible, I am angry.' else 'Where is it?' end"
    )
    tables.write(found, as_of)
    return found


@pytest.fixture(scope="module")
def english(world, as_of):
    return build_map(world, as_of=as_of)


@pytest.fixture(scope="module")
def chinese(world, as_of):
    return build_map(world, as_of=as_of, lang="zh")


@pytest.fixture(scope="module")
def crowded(world, as_of):
    """The map with hostile labels: very long, in two scripts, with markup and formulas."""
    shown = build_map(world, as_of=as_of, segment='=HYPERLINK("x") <script>alert(1)</script> ' + "long " * 60)
    long_name = "Überaus lange Bezeichnung & <b>fett</b> " * 3
    stages = tuple(
        column.model_copy(
            update={
                "label": long_name if index % 2 else "阶段名称很长很长很长很长很长很长很长很长",
                "description": long_name * 3,
                "touchpoints": tuple(each.model_copy(update={"label": long_name}) for each in column.touchpoints),
            }
        )
        for index, column in enumerate(shown.stages)
    )
    interventions = tuple(
        row.model_copy(update={"title": long_name * 2, "investment": long_name, "difficulty": 3, "period_days": 3650})
        for row in shown.interventions
    )
    return shown.model_copy(update={"stages": stages, "interventions": interventions})


@pytest.mark.parametrize("name", ["english", "chinese", "crowded"])
def test_no_text_covers_another_or_leaves_the_page(name, request):
    page, height = svg.compose(request.getfixturevalue(name))
    assert page.overlaps() == []
    for box in page.boxes:
        assert box.left >= 0, box.text
        assert box.right <= page.width, box.text
        assert box.bottom <= height, box.text


def test_measured_widths_are_those_of_the_font():
    fonttools = pytest.importorskip("fontTools.ttLib")
    matplotlib = pytest.importorskip("matplotlib")
    del fonttools, matplotlib
    # Arial's widths (units of 2048), which Liberation Sans has by design.
    assert fonts.width("A", 2048) == 1366
    assert fonts.width("i", 2048) == 455
    assert fonts.width("0", 2048, bold=True) == 1139
    assert fonts.width("考", 10) == 10


def test_the_page_is_well_formed_and_escapes_what_the_data_says(crowded):
    root = ET.fromstring(svg.render(crowded))
    assert root.tag.endswith("svg")
    assert "<script>" not in svg.render(crowded)
    html = export.to_bytes(crowded, "html").decode()
    assert html.count("<script>") == 1
    assert "</script>alert" not in html


def test_the_title_is_the_finding(english, chinese, world, as_of):
    assert english.headline.sentence.startswith("After a ")
    assert english.headline.sentence in svg.render(english)
    assert "的客户在" in chinese.headline.sentence
    assert sharpest(world, as_of).sentence == english.headline.sentence


def test_the_bottleneck_is_the_one_that_breaks_name(world, english, chinese, as_of):
    named = [one for one in search.find(world, Scope(until=as_of)).bottlenecks if one.is_bottleneck]
    assert [one.stage for one in named] == [english.bottleneck]
    without = Findings(false_discovery_rate=0.05, findings=(), not_found=(), tested=0, queries={})
    for shown in (english, chinese):
        title = finding.headline(without, shown.stages, (named[0].stage, named[0].onward), shown.lang)
        assert title.share == named[0].onward and f"{named[0].onward.n:,}" in title.sentence
    fates = [{"stage": stage, "stays": n, "onward": 3, "away": 0} for stage, n in (("a", 30), ("b", 29), ("c", 90))]
    assert search.bottleneck(fates, ["a", "b", "c"]) is None, "the only one with enough stays; the last leads nowhere"
    assert search.bottleneck(fates, ["a", "b", "c", "d"])[0] == "c"


def test_no_description_is_cut_without_a_sign(english):
    def drawn(text: str) -> str:
        stages = tuple(stage.model_copy(update={"description": text}) for stage in english.stages)
        return " ".join(re.sub(r"<[^>]+>", " ", svg.render(english.model_copy(update={"stages": stages}))).split())

    shipped = "Was on the journey, not heard of for longer than the stage allows"
    assert drawn(shipped).count("allows") == len(english.stages)
    assert drawn("word " * 60).count("…") >= len(english.stages)


def test_shares_of_moves_sum_to_one_in_data_and_on_paper(english):
    for column in english.stages:
        if column.moves:
            assert sum(measure.value for measure in column.moves.values()) == pytest.approx(1)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any))
def test_whole_percents_sum_to_a_hundred(counts):
    shares = {str(index): count / sum(counts) for index, count in enumerate(counts)}
    texts = whole_percents(shares)
    assert sum(int(text.split()[0]) for text in texts.values() if not text.startswith("<")) == 100


def counted_again(shown, connection):
    """Every number that SQL can say, by running what its trace tells: (key, told, counted)."""
    document = json.loads(export.to_bytes(shown, "json"))
    for key, number in document["numbers"].items():
        assert (number["models"] and number["method"] and number["reads"]) or number["value"] is None, key
        if number["cell"] is None:
            assert number["value"] is None or key.startswith("intervention."), key
            continue
        reads = {name: document["queries"][name] for name in number["reads"]}
        tables = ", ".join(f"{name}_rows as ({query['statement']})" for name, query in reads.items())
        value, n = connection.execute(f"with {tables} {number['cell']}").fetchall()[0]
        yield key, (number["value"], number["n"]), (value, n)


def test_every_number_can_be_traced_and_counted_again(english, world):
    keys = []
    for key, told, counted in counted_again(english, world):
        keys.append(key.partition(".")[0])
        assert (told[0] is None) == (counted[0] is None), key
        assert told[0] is None or told[0] == pytest.approx(float(counted[0])), key
        assert told[1] == (counted[1] or 0), key
    assert set(keys) == {"totals", "people", "moves", "time", "feeling", "touchpoint", "service"}
    assert len(keys) > 80
    assert english.sql("people.use.now").startswith("with people_rows as (")


def test_what_is_at_stake_rests_on_the_units_of_its_query(english, world):
    assert english.interventions
    for row in english.interventions:
        query = english.queries[row.worth.query]
        units = world.execute(f"select count(*) from ({query.statement})").fetchall()[0][0]
        assert units > 0 and english.sql(f"intervention.{row.key}") is None
        assert english.traced_numbers()[f"intervention.{row.key}"]["method"]


def test_people_now_are_everybody_once(english, world):
    everybody = world.execute("select count(distinct profile_id) from marts.stage_episodes").fetchone()[0]
    assert sum(column.now.value for column in english.stages) == everybody


def test_median_time_equals_a_slow_kaplan_meier(english, world, as_of):
    stays = world.execute(
        "select date_diff('second', entered_at, coalesce(left_at, timestamp '2026-01-01')) / 86400.0,"
        " left_at is not null from marts.stage_episodes where stage = 'decision'"
    ).fetchall()
    surviving, median = 1.0, None
    for day in sorted({days for days, ended in stays if ended}):
        risk = sum(days >= day for days, _ in stays)
        surviving *= 1 - sum(days == day and ended for days, ended in stays) / risk
        if surviving <= 0.5:
            median = day
            break
    column = next(column for column in english.stages if column.stage == "decision")
    assert column.time.p50.value == pytest.approx(median)


def test_feeling_has_no_point_without_ratings(english):
    silent = english.model_copy(
        update={
            "stages": tuple(
                column.model_copy(
                    update={
                        "feeling": column.feeling.model_copy(update={"value": None, "n": 0}),
                        "feeling_from": column.feeling_from.model_copy(
                            update=dict.fromkeys(FEELING_PARTS, Measure(value=0, n=0))
                        ),
                    }
                )
                for column in english.stages
            )
        }
    )
    assert "no ratings" in svg.render(silent)
    assert "<circle" not in svg.render(silent).split("Feeling")[1].split("Touchpoints")[0]


def test_a_segment_and_a_period_narrow_the_map(world, english, as_of):
    world.execute("create or replace temp view few as select profile_id from marts.profiles where purchases >= 2")
    few = build_map(world, as_of=as_of, segment="buyers", profile_ids="few")
    assert few.totals.people.value < english.totals.people.value
    assert "Segment “buyers”" in svg.render(few)
    recent = build_map(world, as_of=as_of, since=as_of.replace(year=2025, month=6))
    assert recent.totals.touchpoints.value < english.totals.touchpoints.value


def test_wrong_questions_are_refused_in_one_sentence(world, as_of):
    with pytest.raises(InputError, match="speaks en and zh"):
        build_map(world, as_of=as_of, lang="de")
    with pytest.raises(InputError, match="nobody"):
        world.execute("create or replace temp view nobody as select profile_id from marts.profiles where false")
        build_map(world, as_of=as_of, profile_ids="nobody", segment="empty")
    with pytest.raises(InputError, match="before it begins"):
        build_map(world, as_of=as_of, since=as_of)
    with pytest.raises(InputError, match="ends after"):
        build_map(world, as_of=as_of, until=as_of.replace(year=2030))


def test_a_snapshot_without_marts_is_named(as_of):
    import duckdb

    with pytest.raises(NotFoundError, match="no journey tables"):
        build_map(duckdb.connect(), as_of=as_of)


def test_unreached_stages_are_honest_empty_cells(world, as_of):
    world.execute("create or replace temp view early as select profile_id from marts.profiles where touchpoints <= 2")
    shown = build_map(world, as_of=as_of, profile_ids="early", segment="early")
    last = shown.path[-1]
    assert last.reached.value == 0 and last.moves == {} and last.time.p50.value is None
    assert svg.compose(shown)[0].overlaps() == []


def test_png_pdf_and_xlsx_are_what_they_say(english, crowded, tmp_path):
    picture = export.to_bytes(english, "png")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    wide, high = struct.unpack(">II", picture[16:24])
    assert wide == 3520 and high > 2000
    assert export.to_bytes(english, "pdf")[:5] == b"%PDF-"
    path = export.write(english, "xlsx", tmp_path / "deep" / "map.xlsx")
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Map", "Numbers", "Interventions", "Queries"]
    shares = {row[0].value: row[3] for row in book["Numbers"].iter_rows(min_row=2)}
    assert shares["moves.decision.forward"].number_format == "0.0 %"
    assert shares["time.decision.p50"].number_format == "General"
    hostile = openpyxl.load_workbook(BytesIO(export.to_bytes(crowded, "xlsx")))
    assert not [cell for sheet in hostile for row in sheet for cell in row if cell.data_type == "f"]


def test_two_maps_compare_on_one_page_and_one_scale(english, world, as_of):
    world.execute("create or replace temp view buyers as select profile_id from marts.profiles where purchases >= 1")
    buyers = build_map(world, as_of=as_of, segment="buyers", profile_ids="buyers")
    page, height = svg.compose(english, buyers)
    assert page.overlaps() == []
    assert all(box.bottom <= height for box in page.boxes)
    assert [box.text for box in page.boxes].count("How to read") == 2
    both = json.loads(export.to_bytes(english, "json", compare=buyers))
    assert both["compare"]["segment"] == "buyers" and both["map"]["segment"] is None
    assert export.to_bytes(english, "png", compare=buyers)[:4] == b"\x89PNG"
    html = export.to_bytes(english, "html", compare=buyers).decode()
    assert 'data-key="compare:people.decision.now"' in html and 'data-key="people.decision.now"' in html
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(BytesIO(export.to_bytes(english, "xlsx", compare=buyers)))
    assert book.sheetnames == ["Map", "Map 2", "Numbers", "Interventions", "Queries", "Interventions 2", "Queries 2"]
    rows = {row[0]: row for row in book["Numbers"].iter_rows(values_only=True)}
    now = next(column for column in english.stages if column.stage == "use").now.value
    other = next(column for column in buyers.stages if column.stage == "use").now.value
    assert (rows["people.use.now"][3], rows["people.use.now"][7]) == (now, other)
    chart = export.to_bytes(english, "mermaid", compare=buyers).decode()
    assert chart.count("subgraph") == 2 and "s_use[" in chart and "c_use[" in chart


def test_unknown_formats_are_refused(english):
    with pytest.raises(InputError, match="choose one of svg"):
        export.to_bytes(english, "gif")


def test_mermaid_names_every_stage_once(english):
    chart = mermaid.chart(english)
    assert chart.splitlines()[3] == "flowchart LR"
    for column in english.stages:
        assert len(re.findall(rf"^    s_{column.stage}[\[(]", chart, flags=re.MULTILINE)) == 1


def test_glyphs_no_font_has_are_refused_not_boxed(english):
    strange = english.model_copy(update={"segment": "مرحبا"})
    with pytest.raises(ConfigurationError, match=r"U\+06"):
        export.to_bytes(strange, "png")
    assert "مرحبا" in export.to_bytes(strange, "svg").decode()


def test_no_fixed_text_lacks_a_glyph(chinese, english):
    for shown in (chinese, english):
        page, _ = svg.compose(shown)
        assert not {character for box in page.boxes for character in fonts.missing(box.text)}


def test_without_the_chinese_font_the_package_is_named(chinese, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=fonts.CJK_PACKAGE):
        export.to_bytes(chinese, "png")
    assert export.to_bytes(chinese, "svg")


@pytest.mark.skipif(not HAS_CJK_FONT, reason=f"the font package {fonts.CJK_PACKAGE} is not installed")
def test_the_chinese_font_has_every_glyph_we_set_in_it(chinese):
    ttlib = pytest.importorskip("fontTools.ttLib")
    path = next(fonts.cjk_font_folder().glob("NotoSansSC*"))
    known = ttlib.TTFont(path).getBestCmap()
    for low, high in fonts._CJK_RANGES:
        assert all(code in known for code in range(low, high + 1)), hex(low)
    assert export.to_bytes(chinese, "png")[:4] == b"\x89PNG"


@given(st.lists(st.floats(0, 500), min_size=1, max_size=12), st.floats(1, 40))
def test_spread_labels_keep_their_distance_and_order(centres, gap):
    placed = spread(centres, gap)
    ranked = sorted(range(len(centres)), key=lambda index: centres[index])
    for below, above in itertools.pairwise(ranked):
        assert placed[above] - placed[below] >= gap - 1e-6


def test_spread_leaves_distant_labels_alone():
    assert spread([10.0, 100.0, 50.0], 12) == [10.0, 100.0, 50.0]


def test_clear_of_sees_a_line_through_a_box():
    assert not clear_of((10, 10, 20, 20), [(0, 15, 30, 15)])
    assert clear_of((10, 10, 20, 20), [(0, 5, 30, 5), (25, 0, 25, 40)])


@given(st.text(max_size=80), st.floats(20, 300))
def test_wrapped_lines_fit_and_lose_nothing(text, limit):
    lines = fonts.wrap(fonts.fold(text), 12, limit)
    assert all(len(line) <= 1 or fonts.width(line, 12) <= limit for line in lines)
    assert "".join("".join(lines).split()) == "".join(fonts.fold(text).split())


def test_page_finds_overlaps():
    page = Page(200)
    page.text(10, 20, "one")
    page.text(15, 22, "two")
    page.text(10, 60, "three")
    assert [(a.text, b.text) for a, b in page.overlaps()] == [("one", "two")]


@pytest.mark.parametrize(
    ("days", "text"), [(None, "–"), (0.01, "14 min"), (0.5, "12 h"), (17, "17 d"), (200, "6.6 mo")]
)
def test_durations_read_well(days, text):
    assert Words("en").span(days) == text


@pytest.mark.parametrize(
    ("key", "values", "text"),
    [
        ("service_people", {"n": "1", "share": "5 %"}, "1 person, 5 %"),
        ("service_people", {"n": "21", "share": "5 %"}, "21 people, 5 %"),
        ("service_slow", {"n": "1", "share": "0 %"}, "0 % of 1 ticket late"),
        ("service_slow", {"n": "0", "share": "–"}, "– of 0 tickets late"),
        ("leaves_line", {"people": "1", "n": "3"}, "1 of 3 stays ends here"),
        ("moves_n", {"n": "1"}, "of 1 move"),
        ("days", {"n": 1}, "1 day"),
        ("feeling_silent", {"n": "1"}, "1 text says nothing either way"),
        ("title.reached", {"people": "1", "stage": "Use"}, "1 person has reached Use"),
    ],
)
def test_one_is_told_as_one(key, values, text):
    assert Words("en")(key, **values) == text
