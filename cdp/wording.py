"""How faults and numbers are put into sentences, the same everywhere.

What a validator found, the nearest known name, one and many.

No names of what is told about live here, only forms of words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

_REASONS = {
    "missing": "it is missing",
    "union_tag_not_found": "it is missing",
    "extra_forbidden": "there is no such field",
    "string_pattern_mismatch": "it does not have the right form",
    "string_type": "it must be text",
    "int_parsing": "it must be a whole number",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_parsing": "it must be a number",
    "float_type": "it must be a number",
    "bool_parsing": "it must be true or false",
    "datetime_parsing": "it must be a date and a time with its zone",
    "datetime_from_date_parsing": "it must be a date and a time with its zone",
    "dict_type": "it must be a mapping of names to values",
    "model_type": "it must be a mapping of names to values",
    "list_type": "it must be a list",
    "tuple_type": "it must be a list",
}
_SUBJECT = re.compile(r"^(Input|String|List|Tuple|Dictionary|Value|Data) should ")


def foremost(faults: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The fault to tell: a mistyped field explains why the one that was meant is missing."""
    return min(faults, key=lambda fault: fault["type"] != "extra_forbidden")


def reason(fault: Mapping[str, Any], examples: Sequence[object] | None = None, *, fields: Collection[str] = ()) -> str:
    """The end of a sentence, with its full stop, about one fault that a validator found (`ValidationError.errors()`).

    `examples` are shown where the validator names no form that people could read, `fields` where there is no such one.
    """
    if fields and fault["type"] == "extra_forbidden":
        near = nearest(str(fault["loc"][-1]), fields)
        return f"there is no such field.{near} Allowed: {', '.join(sorted(fields))}."
    if fault["type"] == "union_tag_invalid":
        kinds = fault["ctx"]["expected_tags"].replace("'", "")
        return f"there is no such kind.{nearest(str(fault['ctx']['tag']), kinds.split(', '))} Allowed: {kinds}."
    text = str(fault["msg"]).removeprefix("Value error, ")
    told = _REASONS.get(str(fault["type"]), _SUBJECT.sub("it must ", text))
    if examples and fault["type"] != "value_error":
        told = f"{told.rstrip('.')}, for example {' or '.join(f'`{each}`' for each in examples)}"
    return told if told.endswith(("?", "!")) else f"{told.rstrip('.')}."


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 record`, `2 records`, `1,200 people`; `many` for what does not end in s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean …?` with the nearest known name, or nothing."""
    folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold()[:200], folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[found[0]]}?" if found else ""
