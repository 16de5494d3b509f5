"""Two versions of the stage rules compared row by row, told in words.

Rules are plain rows of text by seed; nothing here reads tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Row = Mapping[str, str | None]
Rules = Mapping[str, Sequence[Row]]

# What names a row of each seed; the rest of its columns is what the rule says.
KEYS = {
    "journey_stages": ("stage",),
    "touchpoint_rules": ("source", "entity", "event_match", "nth_from"),
}


def changes(former: Rules, present: Rules) -> list[str]:
    """One line per rule that came, went or says something else: `journey_stages use: hold_days 180 → 90`."""
    return [line for seed, key in KEYS.items() for line in _changed(seed, key, former, present)]


def _changed(seed: str, key: tuple[str, ...], former: Rules, present: Rules) -> Iterator[str]:
    before, after = _by_key(former.get(seed, ()), key), _by_key(present.get(seed, ()), key)
    for name in [*before, *(name for name in after if name not in before)]:
        told = f"{seed} {' '.join(part for part in name if part)}"
        if name not in after:
            yield f"{told}: removed"
        elif name not in before:
            yield f"{told}: added"
        else:
            old, new = before[name], after[name]
            differing = [column for column in new if old.get(column) != new[column]]
            said = [f"{column} {_shown(old.get(column))} → {_shown(new[column])}" for column in differing]
            if said:
                yield f"{told}: {', '.join(said)}"


def _by_key(rows: Sequence[Row], key: tuple[str, ...]) -> dict[tuple[str, ...], Row]:
    return {tuple(row[column] or "" for column in key): row for row in rows}


def _shown(value: str | None) -> str:
    return "nothing" if value in (None, "") else str(value)
