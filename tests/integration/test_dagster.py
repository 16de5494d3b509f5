"""The Dagster side: definitions load, one graph from landing to publication, and anybody can replace a part."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from cdp.settings import load_settings
from pipelines.build import build_definitions
from pipelines.jobs import JOB
from tests.support.home import CDP, ROOT, Home

LAYERS = ("landing", "raw", "staging", "intermediate", "identity", "marts", "serving")


@pytest.fixture(scope="module")
def definitions(demo_home: Home) -> dg.Definitions:
    return build_definitions(load_settings(home=demo_home.path))


def test_the_definitions_are_valid(demo_home: Home) -> None:
    environment = {**demo_home.environment(), "DAGSTER_HOME": str(demo_home.path / "dagster")}
    completed = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "pipelines.definitions"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr[-2000:]


def test_the_graph_leads_from_landing_to_publication(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    ours = [node for node in graph.asset_nodes if node.is_materializable]
    above = set(graph.get_ancestor_asset_keys(dg.AssetKey(["serving", "publication"])))
    assert {node.key for node in ours} <= above | {dg.AssetKey(["serving", "publication"])}
    begin = {node.key for node in ours if node.group_name in ("landing", "seeds")}
    assert all(begin & set(graph.get_ancestor_asset_keys(node.key)) for node in ours if node.key not in begin)
    drawn = {
        (graph.get(parent).group_name, node.group_name)
        for node in ours
        for parent in node.parent_keys
        if graph.get(parent).is_materializable and graph.get(parent).group_name != node.group_name
    }
    forward = {(a, b) for a, b in drawn if a != "seeds"}
    assert all(LAYERS.index(a) < LAYERS.index(b) for a, b in forward), "the picture has no arrow that leads back"
    assert {(a, b) for a, b in pairwise(LAYERS)} <= forward


def test_the_job_the_schedule_and_the_sensor_are_there(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert repository.get_schedule_def("nightly").cron_schedule == "0 3 * * *"
    assert repository.get_sensor_def("inbox").job_name == JOB
    job = definitions.resolve_job_def(JOB)
    assert {key.path[0] for key in job.asset_layer.asset_graph.materializable_asset_keys} >= {"landing", "serving"}


def test_a_deployment_may_replace_a_resource_and_add_an_asset(demo_home: Home) -> None:
    @dg.asset(deps=[dg.AssetKey(["serving", "publication"])])
    def told() -> None: ...

    mine = dg.ResourceDefinition.hardcoded_resource("mine")
    changed = build_definitions(
        load_settings(home=demo_home.path), resource_overrides={"run": mine}, extra_assets=[told]
    )
    assert changed.get_repository_def().get_top_level_resources()["run"] is mine
    assert told.key in changed.resolve_asset_graph().materializable_asset_keys


@pytest.mark.slow
def test_the_page_opens_and_ends_with_whoever_stops_it(demo_home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**demo_home.environment(), "CDP_DAGSTER_PORT": str(port)}
    process = subprocess.Popen(
        [str(CDP), "dagster"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    query = {"query": "{assetNodes{id}}"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    assert len(json.load(answer)["data"]["assetNodes"]) > 50
                break
            except OSError:
                assert process.poll() is None, "the page ended"
                time.sleep(1)
        else:
            pytest.fail("the page did not open")
        children = _children(process.pid)
        assert len(children) >= 2
    finally:
        process.terminate()
        process.wait(60)
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found
