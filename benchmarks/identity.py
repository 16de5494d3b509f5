"""How fast identity is: block, score, cluster and name N records with a stored model, and add 1,000 to them.

Compared in the same run with Splink's own block, predict and connected components on the same records, rules and model.
Features and the model are made before the clock starts, on both sides. Each side runs in a process of its own, so that
peak memory is its own; with several rounds they take turns and the medians count. Ratios are printed for processor
seconds and for wall-clock, because on a shared machine the latter says little. Prints one JSON document.

    python -m benchmarks.identity [--records N] [--add N] [--threads N] [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import resource
import shutil
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import duckdb

from cdp.clock import stopwatch
from identity import blocking, changes, comparisons, hubs, matching, model_store, resolution, rules, rulings, state
from identity.config import PIPELINE
from identity.features import people
from identity.membership import Run
from identity.model import Model
from identity.scratch import scratch

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS = "intermediate.int_source_records"

# About 2.4 records a person over four sources; two people share a home and a third of them its phone. A tenth of the
# names is misspelt, a third of the mails and phones is not stated.
_WORLD = """
create schema if not exists intermediate;
create or replace macro r(x, n) as (hash(x) % n)::bigint;
create or replace macro word(x, n) as (
    ['ba','ke','li','mo','nu','ra','se','ti','vo','wy','da','fe'][1 + r(x || 'a', 12)]
    || ['lan','mer','nix','por','rud','sam','tor','vel','win','zan'][1 + r(x || 'b', 10)]
    || ['a','e','o','er','in','us','son','ley','ton','ski','man','berg'][1 + r(x || 'c', n)]);
create or replace table {table} as
with persons as (
    select i, i // 2 as home, word('g' || r('g' || i, 1500), 4) as given,
        word('f' || (r('f' || (i // 2), 30000) * r('e' || (i // 2), 30000) // 30000),
        12) || word('h' || r('f' || (i // 2), 997), 2)
        as family
    from range({start}, {end}) as t(i)
),
stated as (
    select p.*, s.source, s.n, i || '-' || s.source || s.n as id
    from persons as p
    cross join (values ('sales', 1, 80), ('support', 1, 45), ('web', 1, 50), ('pos', 1, 45), ('pos', 2,
    20)) as s(source, n, share)
    where r(i || source || n, 100) < share
)
select
    source, id as source_record_id, if(r(id || 't', 10) = 0, left(given, 2) || substr(given, 4), given) as first_name,
    null::varchar as middle_name, family as last_name, null::varchar as full_name,
    if(r(id || 'm', 3) > 0, given || '.' || family || i || '@mail.example.net', null) as email,
    if(r(id || 'p', 3) > 0, '+1206' || (2000000 + if(r(home, 3) = 0, home, i + 1000000)), null) as phone,
    if(source = 'sales', strftime(date '1940-01-01' + (r('d' || i, 24000))::integer, '%m/%d/%Y'), null) as birth_date,
    if(source in ('sales', 'pos'), (1 + r('n' || home, 900)) || ' ' || word('s' || r('s' || home, 9000),
    12) || ' st', null) as street,
    null::varchar as city, null::varchar as region,
    if(source in ('sales', 'pos'), lpad((10000 + r('z' || home, 30000))::varchar, 5, '0'), null) as postcode,
    null::varchar as country, null::boolean as marketing_consent, timestamp '2025-01-01' as created_at,
    timestamp '2025-01-01' as updated_at, md5(id) as content_hash
from stated
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--add", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wayfinder-bench-") as folder:
        prepared_file = Path(folder) / "prepared.duckdb"
        prepared = _alone(_prepare, prepared_file, options.threads, options.records)
        rounds = []
        for _ in range(options.rounds):
            theirs = _alone(_splink, _copied(prepared_file, "theirs"), options.threads)
            mine = _copied(prepared_file, "ours")
            ours = _alone(_ours, mine, options.threads)
            added = _alone(_add, mine, options.threads, options.records, options.add)
            rounds.append({"splink": theirs, "ours": ours, "add": added})
    print(json.dumps({"records": prepared["records"], "prepare": prepared, **_told(prepared, rounds)}, indent=2))


def _copied(prepared: Path, name: str) -> Path:
    """A fresh copy for one side, so that every round starts from the same state."""
    target = prepared.with_name(f"{name}.duckdb")
    shutil.copyfile(prepared, target)
    return target


def _told(prepared: dict[str, Any], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The ratios of each round, and their medians beside what is promised."""
    found: dict[str, Any] = {"rounds": rounds}
    for kind in ("processor", "wall"):
        # Adding makes features of what it adds, so it is held against a whole run that does so too.
        features = sum(prepared["phases"][phase][kind] for phase in ("features", "hubs"))
        ratios = [one["ours"][kind] / one["splink"][kind] for one in rounds]
        shares = [one["add"][kind] / (one["ours"][kind] + features) for one in rounds]
        found[f"ratio_{kind}"] = round(statistics.median(ratios), 3)
        found[f"add_share_{kind}"] = round(statistics.median(shares), 3)
    peak = max(prepared["peak_mb"], *(one[side]["peak_mb"] for one in rounds for side in ("ours", "add")))
    return {**found, "promise_ratio": 1.5, "promise_add_share": 0.1, "peak_mb": peak, "promise_peak_mb": 2048}


def _alone(task: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Run a task in a process of its own and return what it measured, with its peak memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (task, arguments))


def _measured(task: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> dict[str, Any]:
    found = task(*arguments)
    return {**found, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def _open(path: Path, threads: int) -> duckdb.DuckDBPyConnection:
    # Imports are no part of what is measured, on either side.
    for module in ("scipy.sparse.csgraph", "splink", "splink.backends.duckdb", "identity.normalise.columns"):
        importlib.import_module(module)
    config = {"threads": threads, "memory_limit": "700MB", "temp_directory": str(path.parent / "spill")}
    connection = duckdb.connect(str(path), config=config)
    connection.execute("set enable_progress_bar = false")
    return connection


class _Clock:
    """Processor and wall-clock seconds since it was made, and by phase."""

    def __init__(self) -> None:
        self.start = self.last = (process_time(), stopwatch())
        self.phases: dict[str, dict[str, float]] = {}

    def phase(self, name: str) -> None:
        """End a phase."""
        now = (process_time(), stopwatch())
        self.phases[name] = {"processor": round(now[0] - self.last[0], 2), "wall": round(now[1] - self.last[1], 2)}
        self.last = now

    def facts(self) -> dict[str, Any]:
        """Seconds in all and per phase."""
        return {
            "processor": round(process_time() - self.start[0], 2),
            "wall": round(stopwatch() - self.start[1], 2),
            "phases": self.phases,
        }


def _prepare(path: Path, threads: int, records: int) -> dict[str, Any]:
    """The world, its features, hubs and model: what a night before has left."""
    clock = _Clock()
    with _open(path, threads) as connection:
        connection.execute(_WORLD.format(table=RECORDS, start=0, end=int(records / 2.4)))
        clock.phase("generate")
        state.prepare(connection, PIPELINE)
        found = changes.detect(connection, RECORDS, PIPELINE)
        rulings.receive(connection, rulings.NONE)
        changes.apply(connection, RECORDS, PIPELINE)
        clock.phase("features")
        hubs.refresh(connection, PIPELINE)
        clock.phase("hubs")
        model = model_store.renew(connection, PIPELINE, run_id="bench", now=NOW)
        clock.phase("train")
    return {"records": found.records, "model": model.version, "limits": model.limits, **clock.facts()}


def _ours(path: Path, threads: int) -> dict[str, Any]:
    with _open(path, threads) as connection:
        model = model_store.active(connection)
        assert model is not None
        changes.detect(connection, RECORDS, PIPELINE)
        rulings.receive(connection, rulings.NONE)
        changes.apply(connection, RECORDS, PIPELINE)
        clock = _Clock()
        resolution.touch_everything(connection)
        pairs, _, events = resolution.settle(connection, model, PIPELINE, Run("bench", NOW), progress=clock.phase)
        facts = clock.facts()
    return {"pairs": pairs, "profiles": events.get("created", 0), **facts}


def _add(path: Path, threads: int, records: int, added: int) -> dict[str, Any]:
    """Add new records of old and new people; everything counts, from finding what is new to the ids."""
    with _open(path, threads) as connection:
        start = int(records / 2.4)
        connection.execute(_WORLD.format(table="arriving_world", start=start - 200, end=start + added))
        connection.execute(
            f"""
            insert into {RECORDS} select * replace (if(source = 'pos', 'late' || source_record_id,
            source_record_id) as source_record_id)
            from arriving_world where source = 'pos' or split_part(source_record_id, '-',
            1)::bigint >= {start} limit {added}
            """
        )
        clock = _Clock()
        outcome = resolution.resolve_records(connection, RECORDS, PIPELINE, Run("add", NOW), progress=clock.phase)
        facts = clock.facts()
    return {"arrived": outcome.arrived, "pairs": outcome.pairs, "clustered": outcome.reclustered, **facts}


def _splink(path: Path, threads: int) -> dict[str, Any]:
    """Splink's own way with the same rules and model: its blocking, predict, connected components at even odds.

    The keys of the rules are derived within the clock, as on our side; handing the people over is not counted. The
    levels are those of our model, an edit distance as plain as Splink's library states it.
    """
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    with _open(path, threads) as connection, scratch(connection) as scratched:
        model = model_store.active(connection)
        assert model is not None
        resolution.touch_everything(connection)
        connection.execute("create temp table wf_gone (record_key VARCHAR)")
        keys = _Clock()
        limits = rules.Limits(model.limits, model.refused)
        blocking.number_keys(connection, limits, only_near=blocking.refresh_keys(connection))
        blocking.refresh_crowded(connection, limits, only_near=False)
        keys.phase("keys")
        derived = keys.facts()
        scratched.register("arriving", connection.execute(_keyed(model)).to_arrow_table())
        scratched.execute("create table wf_people as select * from arriving")
        scratched.unregister("arriving")
        settings = _as_splink_states_it(model.splink_settings())
        apart = " or ".join(f"l.source = '{source}'" for source in PIPELINE.unique_sources)
        settings["blocking_rules_to_generate_predictions"] = [
            {"blocking_rule": f"l.k_{rule.name} = r.k_{rule.name} and not (l.source = r.source and ({apart}))"}
            for rule in rules.in_force(limits)
        ]
        settings["retain_intermediate_calculation_columns"] = False
        clock = _Clock()
        linker = Linker(DuckDBAPI(scratched).register("wf_people"), settings, log_level="ERROR")
        predictions = linker.inference.predict(threshold_match_weight=PIPELINE.keep_weight, warning_mode="never")
        clock.phase("block and predict")
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, threshold_match_weight=0)
        clock.phase("connected components")
        facts = _sum(derived, clock.facts())
        found = scratched.execute(
            f"select (select count(*) from {predictions.physical_name}), "
            f"count(distinct cluster_id) from {clusters.physical_name}"
        ).fetchall()[0]
    return {"edges": int(found[0]), "clusters": int(found[1]), **facts}


def _as_splink_states_it(settings: dict[str, Any]) -> dict[str, Any]:
    """The same levels as Splink's library writes them: an edit distance without our cheap tests before it."""
    for comparison in settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            for column in ("given", "family", "email_user", "phone", "birth", "national_id"):
                distance = f"damerau_levenshtein({column}_l, {column}_r) <= 1"
                level["sql_condition"] = level["sql_condition"].replace(comparisons.at_most_one_edit(column), distance)
    return settings


def _keyed(model: Model) -> str:
    """The people as the model compares them, with the key of every rule unless it is crowded."""
    limits = rules.Limits(model.limits, model.refused)
    names = [f"k_{rule.name}" for rule in rules.in_force(limits)]
    crowded = "(select key from identity.state_crowded where rule = '{}')"
    keys = ", ".join(
        f"if(k.{name} in {crowded.format(name.removeprefix('k_'))}, null, k.{name}) as {name}" for name in names
    )
    stored = people("identity.state_features")
    keyed = f"(select f.*, k.number, {keys} from {stored} as f join wf_keyed as k using (record_key))"
    return matching.people_sql(model, keyed, ("source", *names))


def _sum(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    seconds = {kind: round(one[kind] + other[kind], 2) for kind in ("processor", "wall")}
    return {**seconds, "phases": {**one["phases"], **other["phases"]}}


if __name__ == "__main__":
    main()
