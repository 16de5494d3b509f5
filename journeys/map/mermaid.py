"""A journey map as a Mermaid flow chart: stages as boxes, moves between them as arrows with counts.

Text only, for documents that render Mermaid; back edges and the way out are dotted.
"""

from __future__ import annotations

from journeys.map.content import JourneyMap
from journeys.map.words import Words, count, percent


def chart(shown: JourneyMap, compare: JourneyMap | None = None) -> str:
    """A `flowchart LR` document; the title is the finding. Two maps stand in one chart, each in a frame of its own."""
    lines = ["---", f"title: {_plain(shown.headline.sentence)}", "---", "flowchart LR"]
    if compare is None:
        return "\n".join([*lines, *_drawn(shown, "s_")]) + "\n"
    for prefix, each in (("s_", shown), ("c_", compare)):
        words = Words(each.lang)
        lines.append(f'    subgraph {prefix}map["{_plain(words.who(each))} · {_plain(words.period(each))}"]')
        lines += [f"    {line}" for line in _drawn(each, prefix)]
        lines.append("    end")
    return "\n".join(lines) + "\n"


def _drawn(shown: JourneyMap, prefix: str) -> list[str]:
    words = Words(shown.lang)
    lines = []
    for column in shown.stages:
        label = _plain(words.stage(column.stage, column.label)[0])
        reached, now = count(column.reached.value), words("now", n=count(column.now.value))
        shape = ("[", "]") if column.is_path else ("([", "])")
        lines.append(f'    {_node(prefix, column.stage)}{shape[0]}"{label}<br/>{reached} · {now}"{shape[1]}')
    totals = {column.stage: sum(_moves(shown, column.stage)) for column in shown.stages}
    for edge in shown.transitions:
        share = (edge.moves.value or 0) / totals[edge.from_stage] if totals.get(edge.from_stage) else None
        text = f"{count(edge.moves.value)}, {percent(share)}"
        arrow = "-->" if edge.move == "forward" else "-.->"
        lines.append(f'    {_node(prefix, edge.from_stage)} {arrow}|"{text}"| {_node(prefix, edge.to_stage)}')
    if shown.bottleneck:
        lines.append(f"    style {_node(prefix, shown.bottleneck)} stroke:#b3261e,stroke-width:3px,color:#b3261e")
    return lines


def _moves(shown: JourneyMap, stage: str) -> list[float]:
    return [edge.moves.value or 0.0 for edge in shown.transitions if edge.from_stage == stage]


def _node(prefix: str, stage: str) -> str:
    """A name Mermaid accepts; the prefix keeps clear of its reserved words, such as `end`."""
    return prefix + "".join(character if character.isalnum() else "_" for character in stage)


def _plain(text: str) -> str:
    return text.replace('"', "'").replace("\n", " ").replace(":", "：" if not text.isascii() else " -")
