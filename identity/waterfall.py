"""Splink's waterfall chart of one comparison, drawn as SVG.

One bar per field from the odds before looking to the final weight against two strangers. The chart shows fields, levels
and weights, no values of records.
"""

from __future__ import annotations

from typing import Any

from identity.explain import Explanation


def draw(told: Explanation) -> str:
    """The chart as SVG text."""
    import duckdb
    import vl_convert
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    with duckdb.connect(":memory:") as connection:
        api = DuckDBAPI(connection)
        # The chart needs a linker for its settings only, and a linker needs a table.
        connection.execute("create table nobody as select null::bigint as unique_id where false")
        linker = Linker(
            api.register("nobody", dataset_display_name="nobody"),
            # The chart insists on this although no values are shown.
            {**told.model.splink_settings(), "retain_matching_columns": True},
            log_level="ERROR",
            validate_settings=False,
        )
        chart = linker.visualisations.waterfall_chart([_with_levels(told)], remove_sensitive_data=True)
        specification: dict[str, Any] = chart.chart_dict
    specification["title"] = {
        "text": f"{told.record_a} and {told.record_b}: weighed against two strangers",
        "subtitle": f"Two people of one household weigh {told.against_home:+.1f}; the stronger doubt counts: "
        f"{told.weight:+.1f}, a probability of {told.probability:.1%}",
        "offset": 24,
    }
    # What an interactive page would let one choose is no part of a picture.
    for parameter in specification.get("params", []):
        parameter.pop("bind", None)
    return str(vl_convert.vegalite_to_svg(specification))


def _with_levels(told: Explanation) -> dict[str, Any]:
    """The prediction with Splink's numbers of the levels found: the last one is 0, not stated is -1."""
    found = {part.field: part.finding for part in told.parts}
    numbers = {}
    for comparison in told.model.comparisons():
        words = [level.words for level in comparison.levels]
        place = words.index(found[comparison.name]) if comparison.name in found else len(words)
        numbers[f"gamma_{comparison.name}"] = len(words) - 1 - place
    return {**told.prediction, **numbers}
