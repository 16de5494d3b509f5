"""The text form of a condition, read: `event('Order Completed').count() >= 2 in 30d and trait.country = 'DE'`.

A recursive descent over few tokens that yields the same tree as the JSON form; what the tree may hold is decided by the
models alone. The grammar, from the loosest binding to the tightest:

    or        and { 'or' and }
    and       unary { 'and' unary }
    unary     'not' unary | '(' or ')' | 'all' '(' or {',' or} ')' | 'any' '(' … ')' | condition
    condition trait.NAME test | prediction.NAME test | stage ('=' | in) … [for >= 14d] | segment('key')
              | [no] event(['name'] [where filter {and filter}]) [.measure([property]) test] [window]
              | [no] moved(['back'] [from 'a'] [to 'b']) [.count() test] [window]
              | sequence(event(…) {then event(…) [within 2h] [without event(…)]}
                         [then no event(…) [within 2h]]) [window]
              | consent('purpose') [= 'state'] | reachable('channel' [for 'purpose']) | sample('salt', [0% to] 10%)
              | (top | bottom) 10% by trait.NAME [among (or)] | experiment('name') [= 'arm'] | everyone
    window    in 30d | since moment [until moment] | until moment
    moment    '2025-01-31' | 30d ago
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cdp.wording import nearest
from segments.definition import MAX_DEPTH, MAX_NODES
from segments.errors import DefinitionError, Problem

MAX_LENGTH = 500_000

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>'(?:[^']|'')*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*|"(?:[^"]|"")+")
      | (?P<duration>\d+(?:min|h|d|w)\b)
      | (?P<number>-?(?:\d+\.\d+|\d+)(?:[eE][+-]?\d+)?(?![A-Za-z0-9_.]))
      | (?P<sign>>=|<=|!=|[=<>(),.%])""",
    re.VERBOSE,
)
_CONDITIONS = (
    "trait", "prediction", "event", "touchpoint", "no", "sequence", "stage", "moved", "segment", "consent",
    "reachable", "sample", "top", "bottom", "experiment", "everyone", "not", "all", "any", "(",
)  # fmt: skip
_ORDERS = ("=", "!=", "<", "<=", ">", ">=")
_VALUES = ("a text in single quotes", "a number", "true", "false", "a moment such as '2025-01-31' or 30d ago")
_OPERATORS = (*_ORDERS, "in", "not in", "between", "contains", "starts with", "ends with", "is missing", "is known")


@dataclass(frozen=True)
class Token:
    """A piece of text with its place, for error messages."""

    kind: str
    value: str
    start: int


def parse_text(text: str) -> Any:
    """The tree, as a JSON document, that a text describes; DefinitionError with line, column and what may follow."""
    if len(text) > MAX_LENGTH:
        raise DefinitionError([Problem("where", f"the text is longer than {MAX_LENGTH:,} characters.")])
    parser = _Parser(text)
    tree = parser.either(0)
    parser.end()
    return tree


def _tokens(text: str) -> list[Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            if text[place] == "'":
                raise _fault(text, place, "opens with a quote that nothing closes", ())
            measured = ("a number", "a duration such as 90min, 36h, 30d or 2w") if text[place].isdigit() else ()
            raise _fault(text, place, "cannot be read here", measured)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match[0], place))
        place = match.end()
    return [*found, Token("end", "", len(text))]


def _fault(text: str, place: int, message: str, allowed: tuple[str, ...]) -> DefinitionError:
    line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
    # The author's own words are not repeated where they may be somebody's address.
    word = re.match(r"[A-Za-z_0-9.]{1,30}|[^\sA-Za-z0-9_'\"]{1,2}", text[place:])
    shown = f"“{word[0]}”" if word else "this text" if place < len(text) else "the end"
    near = nearest(word[0], allowed) if word else ""
    return DefinitionError([Problem(f"where, line {line}, column {column}", f"{shown} {message}.{near}", allowed)])


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._conditions = 0

    # Tokens ---------------------------------------------------------------------------------------------------------

    def _peek(self, value: str, ahead: int = 0) -> bool:
        token = self._tokens[min(self._at + ahead, len(self._tokens) - 1)]
        return token.kind in ("name", "sign") and token.value == value

    def _kind(self, ahead: int = 0) -> str:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)].kind

    def _take(self, value: str) -> bool:
        if self._peek(value):
            self._at += 1
            return True
        return False

    def _need(self, *values: str) -> str:
        for value in values:
            if self._take(value):
                return value
        raise self._expected(*values)

    def _next(self, kind: str, what: str) -> str:
        if self._kind() != kind:
            raise self._expected(what)
        self._at += 1
        return self._tokens[self._at - 1].value

    def _expected(self, *what: str) -> DefinitionError:
        return _fault(self._text, self._tokens[self._at].start, "cannot stand here", what)

    def end(self) -> None:
        """Nothing may follow."""
        if self._kind() != "end":
            raise self._expected("and", "or", "the end")

    # Logic ----------------------------------------------------------------------------------------------------------

    def either(self, depth: int) -> Any:
        """Conditions joined by `or`."""
        parts = [self._both(depth)]
        while self._take("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else {"type": "or", "of": parts}

    def _both(self, depth: int) -> Any:
        parts = [self._unary(depth)]
        while self._take("and"):
            parts.append(self._unary(depth))
        return parts[0] if len(parts) == 1 else {"type": "and", "of": parts}

    def _unary(self, depth: int) -> Any:
        self._conditions += 1
        if depth > MAX_DEPTH:
            raise _fault(self._text, self._tokens[self._at].start, f"is nested deeper than {MAX_DEPTH} levels", ())
        if self._conditions > MAX_NODES:
            raise _fault(self._text, self._tokens[self._at].start, f"is beyond the {MAX_NODES:,}th condition", ())
        if self._take("not"):
            return {"type": "not", "of": self._unary(depth + 1)}
        if self._take("("):
            inner = self.either(depth + 1)
            self._need(")")
            return inner
        for word, kind in (("all", "and"), ("any", "or")):
            if self._take(word):
                return {"type": kind, "of": self._listed(lambda: self.either(depth + 1))}
        return self._condition(depth)

    def _listed(self, item: Any) -> list[Any]:
        self._need("(")
        items = [item()]
        while self._take(","):
            items.append(item())
        self._need(")")
        return items

    # Conditions -----------------------------------------------------------------------------------------------------

    def _condition(self, depth: int) -> Any:
        for word in ("trait", "prediction"):
            if self._take(word):
                return {"type": word, word: self._dotted(), **self._test()}
        none = self._take("no")
        if self._peek("event") or self._peek("touchpoint"):
            return self._event(none)
        if self._peek("moved"):
            return self._moved(none)
        if none:
            raise self._expected("event", "touchpoint", "moved")
        for side in ("top", "bottom"):
            if self._take(side):
                return self._rank(side, depth)
        readers = {
            "sequence": self._sequence, "stage": self._stage, "segment": self._segment, "consent": self._consent,
            "reachable": self._reachable, "sample": self._sample, "experiment": self._experiment,
            "everyone": self._everyone,
        }  # fmt: skip
        for word, read in readers.items():
            if self._take(word):
                return read()
        raise self._expected(*_CONDITIONS)

    def _event(self, none: bool) -> Any:
        node = {"type": "event", **self._match()}
        if none:
            node |= {"op": "=", "value": 0}
        elif self._take("."):
            node["measure"] = self._need("count", "days", "sum", "average", "minimum", "maximum", "first", "last")
            self._need("(")
            if not self._peek(")"):
                node["property"] = self._name()
            self._need(")")
            node |= self._test()
        return node | self._window()

    def _match(self) -> dict[str, Any]:
        word = self._need("event", "touchpoint")
        node: dict[str, Any] = {}
        self._need("(")
        if self._kind() == "text":
            node[word] = self._string()
        elif word == "touchpoint":
            raise self._expected("a touchpoint type in single quotes")
        elif not (self._peek("where") or self._peek(")")):
            raise self._expected("the name of an event in single quotes", "where", ")")
        if self._take("where"):
            node["where"] = [self._filter()]
            while self._take("and"):
                node["where"].append(self._filter())
        self._need(")")
        return node

    def _filter(self) -> dict[str, Any]:
        return {"property": self._name(), **self._test()}

    def _moved(self, none: bool) -> Any:
        self._need("moved")
        self._need("(")
        node: dict[str, Any] = {"type": "transition"}
        if self._kind() == "text":
            node["move"] = self._string()
        for word in ("from", "to"):
            if self._take(word):
                node[word] = self._string()
        self._need(")")
        if none:
            node |= {"op": "=", "value": 0}
        elif self._take("."):
            for word in ("count", "(", ")"):
                self._need(word)
            node |= {"op": self._need(*_ORDERS), "value": self._number()}
        return node | self._window()

    def _sequence(self) -> Any:
        self._need("(")
        node: dict[str, Any] = {"type": "sequence", "steps": [self._match()]}
        while "then_no" not in node and self._take("then"):
            absent = self._take("no")
            step = self._match()
            if self._take("within"):
                step["within"] = self._next("duration", "a duration such as 2h")
            if absent:
                node["then_no"] = step
            else:
                if self._take("without"):
                    step["without"] = self._match()
                node["steps"].append(step)
        if not self._take(")"):
            raise self._expected("then", "within", "without", ")")
        return node | self._window()

    def _stage(self) -> Any:
        node: dict[str, Any] = {"type": "stage"}
        node["stages"] = [self._string()] if self._need("=", "in") == "=" else self._listed(self._string)
        if self._take("for"):
            node["time"] = {"op": self._need("<", "<=", ">", ">="), "value": self._next("duration", "a duration")}
        return node

    def _rank(self, side: str, depth: int) -> Any:
        node: dict[str, Any] = {"type": "rank", "side": side, "percent": self._percent()}
        self._need("by")
        self._need("trait")
        node["trait"] = self._dotted()
        if self._take("among"):
            self._need("(")
            node["among"] = self.either(depth + 1)
            self._need(")")
        return node

    def _segment(self) -> Any:
        return {"type": "segment", "key": self._argument()}

    def _consent(self) -> Any:
        purpose = self._argument()
        return {"type": "consent", "purpose": purpose, "state": self._string() if self._take("=") else "given"}

    def _reachable(self) -> Any:
        self._need("(")
        node = {"type": "reachable", "channel": self._string()}
        if self._take("for"):
            node["purpose"] = self._string()
        self._need(")")
        return node

    def _sample(self) -> Any:
        self._need("(")
        node: dict[str, Any] = {"type": "sample", "salt": self._string()}
        self._need(",")
        node["to_percent"] = self._percent()
        if self._take("to"):
            node["from_percent"], node["to_percent"] = node["to_percent"], self._percent()
        self._need(")")
        return node

    def _experiment(self) -> Any:
        node = {"type": "experiment", "experiment": self._argument()}
        return {**node, "arm": self._string()} if self._take("=") else node

    def _everyone(self) -> Any:
        return {"type": "everyone"}

    # Parts ----------------------------------------------------------------------------------------------------------

    def _test(self) -> dict[str, Any]:
        for order in _ORDERS:
            if self._take(order):
                return {"op": order, "value": self._scalar()}
        if self._take("in"):
            return {"op": "in", "value": self._listed(self._scalar)}
        if self._take("between"):
            low = self._scalar()
            self._need("and")
            return {"op": "between", "value": [low, self._scalar()]}
        if self._take("contains"):
            return {"op": "contains", "value": self._scalar()}
        for first, second in (("starts", "with"), ("ends", "with"), ("not", "in")):
            if self._take(first):
                self._need(second)
                value = self._listed(self._scalar) if second == "in" else self._scalar()
                return {"op": f"{first} {second}", "value": value}
        if self._take("is"):
            return {"op": f"is {self._need('missing', 'known')}"}
        raise self._expected(*_OPERATORS)

    def _window(self) -> dict[str, Any]:
        if self._take("in"):
            return {"window": {"last": self._next("duration", "a duration such as 30d")}}
        window: dict[str, Any] = {}
        for word in ("since", "until"):
            if self._take(word):
                window[word] = self._moment()
        return {"window": window} if window else {}

    def _moment(self) -> Any:
        if self._kind() == "text":
            return self._string()
        ago = self._next("duration", "a moment such as '2025-01-31' or 30d ago")
        self._need("ago")
        return {"ago": ago}

    def _scalar(self) -> Any:
        if self._kind() in ("text", "duration"):
            return self._moment()
        if self._kind() == "number":
            return self._number()
        if not (self._peek("true") or self._peek("false")):
            raise self._expected(*_VALUES)
        return self._need("true", "false") == "true"

    def _number(self) -> int | float:
        text = self._next("number", "a number")
        return float(text) if any(sign in text for sign in ".eE") else int(text)

    def _percent(self) -> float:
        value = float(self._number())
        self._need("%")
        return value

    def _argument(self) -> str:
        self._need("(")
        value = self._string()
        self._need(")")
        return value

    def _dotted(self) -> str:
        if not self._take("."):
            raise self._expected("a dot and a name")
        return self._name()

    def _name(self) -> str:
        text = self._next("name", "a name")
        return text[1:-1].replace('""', '"') if text.startswith('"') else text

    def _string(self) -> str:
        return self._next("text", "a text in single quotes")[1:-1].replace("''", "'")
