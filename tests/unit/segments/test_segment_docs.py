"""The examples of the how-to are definitions that can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path

from segments.document import parse
from segments.sentence import sentence
from segments.text_printer import print_text

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "segments.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_every_example_is_a_definition() -> None:
    examples = [line for block in blocks("segment") for line in block.splitlines()]
    assert len(examples) > 15
    for example in examples:
        definition = parse({"key": "shown", "title": "Shown", "where": example})
        assert parse({"key": "shown", "title": "Shown", "where": print_text(definition.where)}) == definition
        assert sentence(definition.where)


def test_the_tree_is_what_the_text_says() -> None:
    tree = parse(json.loads(blocks("json")[0]))
    assert print_text(tree.where) in TEXT


def test_every_kind_of_condition_has_an_example() -> None:
    lines = [line for block in blocks("segment") for line in block.splitlines()]
    trees = [parse({"key": "k", "title": "t", "where": line}).model_dump_json() for line in lines]
    shown = {kind for tree in trees for kind in re.findall(r'"type":\s*"(\w+)"', tree)}
    assert shown >= {
        "trait", "event", "sequence", "stage", "transition", "segment", "consent", "reachable", "sample", "rank",
        "experiment", "everyone", "and", "or", "not",
    }  # fmt: skip
