"""Random worlds and random definitions over a small vocabulary, so that they meet often; hostile strings included."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.unit.segments.segment_reference import World

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
NOW = AS_OF.replace(tzinfo=None)

HOSTILE = (
    "' OR 1=1 --", "'; DROP TABLE marts.profiles; --", '"; SELECT 1', "\\'", "\\", "%", "_", "/* x */", "$1", "?", ":x",
    "{{ x }}", "${x}", "a\nb", "a\rb", "\u202e", "\u2028", "名前", "Ωμέγα", "O'Brien", "''", "__SQLGLOT__LB__", "\x1a",
    "=cmd|' /C calc'!A0", " ", "NULL", "0x41", "E'\\x41'", "U&'\\0041'", "@a", "\U0001f600", "\x7f", "%(x)s", "[1]",
)  # fmt: skip
EVENTS = ("Order Completed", "Product Viewed", "Payment Failed", HOSTILE[0])
TYPES = ("purchase", "view", HOSTILE[1])
TEXTS = ("DE", "FR", "", "d", *HOSTILE[:8])
STAGES = ("awareness", "consideration", "decision", "use", "loyalty", "lapsed")
MOVES = ("start", "forward", "back", "restart", "lapse")
DURATIONS = ("0d", "30min", "1h", "2h", "1d", "36h", "3d", "1w", "30d")
ORDERS = ("=", "!=", "<", "<=", ">", ">=")

hostile = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
texts = st.one_of(st.sampled_from(TEXTS), st.sampled_from(TEXTS), hostile.map(lambda text: text[:50]))
needles = texts.filter(bool)
numbers = st.one_of(st.integers(-2, 4), st.integers(-8, 16).map(lambda quarter: quarter / 4))
# Moments on the edges of the durations above, so that "at least" and "more than" are told apart.
LENGTHS = (0, 30, 60, 120, 1_440, 2_160, 4_320, 10_080, 43_200)
steps_back = st.one_of(
    st.integers(0, 12).map(lambda hours: timedelta(hours=hours)),
    st.sampled_from(LENGTHS).map(lambda minutes: timedelta(minutes=minutes)),
)
times = steps_back.map(lambda back: NOW - back)
ahead = st.one_of(times, times, times, st.just(NOW + timedelta(hours=1)))
agos = st.sampled_from(DURATIONS).map(lambda text: {"ago": text})
moments = st.one_of(agos, st.sampled_from(["2025-12-31", "2025-12-31T22:00:00Z", "2026-01-01T01:00:00+02:00"]))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


IDS = [f"p{number}" for number in range(6)]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    ids = IDS[: draw(st.integers(0, len(IDS)))]
    profiles = [
        {
            "profile_id": one,
            "country": draw(maybe(texts)),
            "email": draw(maybe(st.just("x@example.org"))),
            "phone": draw(maybe(st.just("+49301234"))),
            "street": draw(maybe(st.just("Weg 1"))),
            "postcode": draw(maybe(st.just("12345"))),
            "is_anonymous": draw(maybe(st.booleans())),
            "purchases": draw(maybe(st.integers(0, 3))),
            "revenue": draw(maybe(st.integers(0, 8).map(lambda quarter: quarter / 4))),
            "channels": draw(maybe(st.lists(texts, max_size=2))),
            "first_seen_at": draw(maybe(times)),
            "birth_date": draw(maybe(st.sampled_from([date(2025, 12, 31), date(2026, 1, 1), date(1980, 2, 29)]))),
            "unsubscribed": draw(maybe(st.booleans())),
            "marketing_consent": draw(maybe(st.booleans())),
            "current_stage": draw(maybe(st.sampled_from(STAGES))),
            "stage_since": draw(maybe(times)),
        }
        for one in ids
    ]
    if not ids:
        return World(AS_OF, [])
    someone = st.sampled_from(ids)
    touchpoints = [
        {"touchpoint_id": f"t{number}", **row}
        for number, row in enumerate(
            draw(
                st.lists(
                    st.fixed_dictionaries(
                        {
                            "profile_id": someone,
                            "occurred_at": ahead,
                            "event_name": maybe(st.sampled_from(EVENTS)),
                            "touchpoint_type": maybe(st.sampled_from(TYPES)),
                            "amount": maybe(st.integers(-4, 12).map(lambda quarter: quarter / 4)),
                            "channel": maybe(texts),
                        }
                    ),
                    max_size=18,
                )
            )
        )
    ]
    transitions = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "profile_id": someone,
                    "occurred_at": ahead,
                    "move": st.sampled_from(MOVES),
                    "from_stage": maybe(st.sampled_from(STAGES[:3])),
                    "to_stage": st.sampled_from(STAGES[:3]),
                }
            ),
            max_size=6,
        )
    )
    experiments = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "profile_id": someone,
                    "experiment": st.sampled_from(["welcome", HOSTILE[2]]),
                    "arm": st.sampled_from(["control", "treatment"]),
                    "assigned_at": ahead,
                }
            ),
            max_size=4,
        )
    )
    predictions = [
        {"profile_id": one, "lifetime_value": draw(maybe(numbers.map(float)))}
        for one in draw(st.lists(someone, unique=True))
    ]
    return World(AS_OF, profiles, touchpoints, transitions, experiments, predictions)


def _text_tests() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["=", "!="]), "value": texts}),
        st.fixed_dictionaries(
            {"op": st.sampled_from(["in", "not in"]), "value": st.lists(texts, min_size=1, max_size=3)}
        ),
        st.fixed_dictionaries({"op": st.sampled_from(["contains", "starts with", "ends with"]), "value": needles}),
        _presence(),
    )


def _presence() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"op": st.sampled_from(["is missing", "is known"])})


def _number_tests(values: st.SearchStrategy[Any] = numbers) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(ORDERS), "value": values}),
        st.fixed_dictionaries(
            {"op": st.sampled_from(["in", "not in"]), "value": st.lists(values, min_size=1, max_size=3)}
        ),
        st.fixed_dictionaries({"op": st.just("between"), "value": st.lists(values, min_size=2, max_size=2)}),
        _presence(),
    )


def _moment_tests(*, day: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(ORDERS if day else ORDERS[2:]), "value": moments}),
        st.fixed_dictionaries({"op": st.just("between"), "value": st.lists(moments, min_size=2, max_size=2)}),
        _presence(),
    )


windows = maybe(
    st.one_of(
        st.fixed_dictionaries({"last": st.sampled_from(DURATIONS)}),
        st.fixed_dictionaries({"since": moments}, optional={"until": moments}),
        st.fixed_dictionaries({"until": moments}),
    )
)
filters = st.lists(
    st.one_of(
        _number_tests().map(lambda test: {"property": "amount", **test}),
        _text_tests().map(lambda test: {"property": "channel", **test}),
        _moment_tests().map(lambda test: {"property": "occurred_at", **test}),
    ),
    max_size=2,
)
matches = st.one_of(
    st.fixed_dictionaries({"event": st.sampled_from(EVENTS), "where": filters}),
    st.fixed_dictionaries({"touchpoint": st.sampled_from(TYPES), "where": filters}),
    st.fixed_dictionaries({"where": filters}),
)


def _set(name: str, values: st.SearchStrategy[Any], into: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    return st.tuples(into, values).map(lambda pair: pair[0] if pair[1] is None else {**pair[0], name: pair[1]})


def _joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


def _fixed(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.just(fields)


measures = st.one_of(
    _joined(st.sampled_from([{"measure": "count"}, {"measure": "days"}]), _number_tests()),
    _joined(
        st.sampled_from(["sum", "average", "minimum", "maximum"]).map(
            lambda one: {"measure": one, "property": "amount"}
        ),
        _number_tests(),
    ),
    _joined(st.sampled_from([{"measure": "first"}, {"measure": "last"}]), _moment_tests()),
    _joined(st.sampled_from(["first", "last"]).map(lambda one: {"measure": one, "property": "channel"}), _text_tests()),
    _joined(
        st.sampled_from(["first", "last"]).map(lambda one: {"measure": one, "property": "amount"}), _number_tests()
    ),
)
step = _set("without", maybe(matches), _set("within", maybe(st.sampled_from(DURATIONS)), matches))
absence = _set("within", maybe(st.sampled_from(DURATIONS)), matches)
sequences = st.one_of(
    _set(
        "then_no",
        maybe(absence),
        st.tuples(matches, st.lists(step, min_size=1, max_size=3)).map(
            lambda pair: {"type": "sequence", "steps": [pair[0], *pair[1]]}
        ),
    ),
    st.tuples(matches, absence).map(lambda pair: {"type": "sequence", "steps": [pair[0]], "then_no": pair[1]}),
)
percents = st.one_of(st.sampled_from([0, 10, 50, 99.5, 100]), st.floats(0, 100))

LEAVES = st.one_of(
    _joined(_fixed(type="trait", trait="country"), _text_tests()),
    _joined(_fixed(type="trait", trait="revenue"), _number_tests()),
    _joined(_fixed(type="trait", trait="purchases"), _number_tests()),
    _joined(_fixed(type="trait", trait="first_seen_at"), _moment_tests()),
    _joined(_fixed(type="trait", trait="birth_date"), _moment_tests(day=True)),
    _joined(
        _fixed(type="trait", trait="is_anonymous"),
        st.one_of(st.fixed_dictionaries({"op": st.sampled_from(["=", "!="]), "value": st.booleans()}), _presence()),
    ),
    _joined(
        _fixed(type="trait", trait="channels"),
        st.one_of(st.fixed_dictionaries({"op": st.just("contains"), "value": needles}), _presence()),
    ),
    _joined(_fixed(type="prediction", prediction="lifetime_value"), _number_tests()),
    _set("window", windows, _joined(_fixed(type="event"), matches, measures)),
    _set("window", windows, _joined(_fixed(type="event"), matches, measures)),
    _set("window", windows, sequences),
    _set(
        "time",
        maybe(st.fixed_dictionaries({"op": st.sampled_from(ORDERS[2:]), "value": st.sampled_from(DURATIONS)})),
        st.lists(st.sampled_from(STAGES), min_size=1, max_size=2).map(lambda found: {"type": "stage", "stages": found}),
    ),
    _set(
        "window",
        windows,
        st.fixed_dictionaries(
            {"type": st.just("transition"), "op": st.sampled_from(ORDERS), "value": st.integers(0, 2)},
            optional={
                "move": st.sampled_from(MOVES),
                "from": st.sampled_from(STAGES[:3]),
                "to": st.sampled_from(STAGES[:3]),
            },
        ),
    ),
    st.sampled_from(["given", "refused", "unknown"]).map(
        lambda state: {"type": "consent", "purpose": "marketing", "state": state}
    ),
    st.fixed_dictionaries(
        {"type": st.just("reachable"), "channel": st.sampled_from(["email", "phone", "post"])},
        optional={"purpose": st.sampled_from(["marketing", "service"])},
    ),
    st.tuples(percents, percents, needles).map(
        lambda t: {"type": "sample", "salt": t[2], "from_percent": min(t[:2]), "to_percent": max(t[:2])}
    ),
    st.fixed_dictionaries(
        {"type": st.just("experiment"), "experiment": st.sampled_from(["welcome", HOSTILE[2]])},
        optional={"arm": st.sampled_from(["control", "treatment"])},
    ),
    _fixed(type="everyone"),
    _fixed(type="segment", key="other"),
)


def _groups(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(children, min_size=1, max_size=3)
    rank = st.fixed_dictionaries(
        {
            "type": st.just("rank"),
            "trait": st.sampled_from(["revenue", "purchases"]),
            "side": st.sampled_from(["top", "bottom"]),
            "percent": percents.filter(bool),
        }
    )
    return st.one_of(
        several.map(lambda of: {"type": "and", "of": of}),
        several.map(lambda of: {"type": "or", "of": of}),
        children.map(lambda of: {"type": "not", "of": of}),
        _set("among", maybe(children), rank),
    )


_LEAVES = st.deferred(lambda: LEAVES)
trees = st.recursive(_LEAVES, _groups, max_leaves=6)
# The segment that others refer to must not refer to itself.
closed_trees = st.recursive(LEAVES.filter(lambda node: node["type"] != "segment"), _groups, max_leaves=3)


# Sequences need events close together and few kinds of them, or nothing ever follows anything.
_named = st.sampled_from("AABBC").map(lambda name: {"event": name})
_short = st.sampled_from(["30min", "1h", "2h", "3h"])
_following = _set("without", maybe(_named), _set("within", maybe(_short), _named))
sequence_trees = _set(
    "window",
    st.sampled_from([None, None, {"last": "4h"}, {"until": {"ago": "2h"}}]),
    _set(
        "then_no",
        st.one_of(st.none(), *[_set("within", maybe(_short), _named)] * 3),
        st.tuples(_named, st.lists(_following, min_size=1, max_size=2)).map(
            lambda pair: {"type": "sequence", "steps": [pair[0], *pair[1]]}
        ),
    ),
)


@st.composite
def dense_worlds(draw: st.DrawFn) -> World:
    """Two people and many events on the half hours of one evening, several at one instant."""
    event = st.tuples(st.sampled_from(IDS[:2]), st.integers(0, 12), st.sampled_from("AABBC"))
    events = draw(st.lists(event, min_size=8, max_size=14))
    touchpoints = [
        {"touchpoint_id": f"t{number}", "profile_id": one, "occurred_at": NOW - timedelta(minutes=30 * back),
         "event_name": name, "touchpoint_type": None, "amount": None, "channel": None}
        for number, (one, back, name) in enumerate(events)
    ]  # fmt: skip
    return World(AS_OF, [{"profile_id": one} for one in IDS[:2]], touchpoints)
