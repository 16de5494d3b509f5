"""Lifting the suppression of one person of a batch: by any of their identifiers, and for nobody else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError, ConflictError, InputError
from privacy.closure import Named
from privacy.journal import Journal
from privacy.keys import rotate_token_keys, token_keys
from privacy.suppression import lift, together
from privacy.tokens import Kind, Token, make

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOME = "+15035550123|lee|ann"


def kind_of(value: str) -> Kind:
    return "mailbox" if "@" in value else "phone+name" if "|" in value else "record"


class Held:
    """A journal, with tokens in short: `web:1` is a record, `a@x.org` a mailbox, what has a bar a combination."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder)
        self.audited: list[str] = []

    def tokens(self, *values: str) -> list[Token]:
        return [make(token_keys(self.folder), kind_of(value), value) for value in values]

    def erased(self, request: str, *people: tuple[str, ...]) -> None:
        self.journal.append("erased", [(request, together(self.tokens(*one) for one in people))], NOW)

    def lift(self, *people: Named) -> int:
        name = f"un-{len(self.journal.entries())}"
        return lift(self.folder, people, name=name, at=NOW, audit=lambda: self.audited.append(name))

    def left(self, *values: str) -> set[str]:
        held = {token.value for _, token in self.journal.suppressed()}
        return {value for value in values if self.tokens(value)[0].value in held}


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


def user(value: str) -> Named:
    return Named("user_id", value)


def mail(value: str) -> Named:
    return Named("email", value, value)


def test_one_of_a_batch_is_let_in_with_all_that_is_theirs(held: Held) -> None:
    held.erased("er-1", ("web:1", "sales:1", "a@x.org", HOME), ("web:2", "b@x.org", HOME))
    everything = ("web:1", "sales:1", "a@x.org", "web:2", "b@x.org", HOME)
    assert held.left(*everything) == set(everything)
    assert held.lift(user("1")) == 1
    assert held.left(*everything) == {"web:2", "b@x.org", HOME}, "what another one has too stays"
    assert held.lift(user("1"), user("nobody")) == 0, "nobody is kept out by it"
    assert held.lift(mail("b@x.org")) == 1 and held.left(*everything) == set()
    assert held.journal.in_force() == []


def test_who_was_named_twice_or_erased_twice_is_one_person(held: Held) -> None:
    held.erased("er-1", ("web:1", "a@x.org"), ("pos:7", "web:1"), ("web:2",))
    rotate_token_keys(held.folder)
    held.erased("er-2", ("a@x.org",))
    held.erased("er-3", ("web:1",))
    assert len(held.journal.entries()[0].people) == 2
    assert held.lift(mail("a@x.org"), user("1")) == 3
    assert {entry.request for entry in held.journal.in_force()} == {"er-1"} and held.left("web:1", "pos:7") == set()


def test_an_address_of_several_lifts_nobody_by_itself(held: Held) -> None:
    held.erased("er-1", ("web:1", "home@x.org"), ("web:2", "home@x.org"))
    before = held.journal.path.read_bytes()
    with pytest.raises(ConflictError, match="Several people") as caught:
        held.lift(mail("home@x.org"))
    assert held.journal.path.read_bytes() == before and "home" not in caught.value.message
    assert held.audited == [], "what is refused was never done"
    assert held.lift(mail("home@x.org"), user("2")) == 1
    assert held.left("web:1", "web:2", "home@x.org") == {"web:1", "home@x.org"} and held.audited == ["un-1"]


@pytest.mark.parametrize("named", [Named("phone", "+15035550123"), Named("profile", "x")])
def test_what_is_nobodys_alone_names_nobody(held: Held, named: Named) -> None:
    with pytest.raises(InputError, match="Nobody is kept out by such an identifier"):
        held.lift(named, user("1"))
    assert held.journal.entries() == []


def test_what_left_by_its_age_is_not_lifted(held: Held) -> None:
    aged = make(token_keys(held.folder), "record", "web:1", held_to=datetime(2025, 1, 1))
    held.journal.append("erased", [("lp-1", [[aged]])], NOW)
    assert held.lift(user("1")) == 0 and held.journal.suppressed() == [("lp-1", aged)]


def test_a_line_of_before_gives_up_the_named_identifier_only(held: Held) -> None:
    held.erased("er-1", ("web:1", "a@x.org"), ("web:2",))
    line = json.loads(held.journal.path.read_text())
    del line["people"]
    held.journal.path.write_text(json.dumps(line) + "\n")
    assert held.lift(user("1")) == 1
    assert held.left("web:1", "a@x.org", "web:2") == {"a@x.org", "web:2"}


def test_a_kind_that_is_not_known_is_no_lifting(held: Held) -> None:
    held.erased("er-1", ("web:1",))
    held.lift(user("1"))
    held.journal.path.write_text(held.journal.path.read_text().replace("lifted_in_part", "lifted_somehow"))
    with pytest.raises(ConfigurationError, match="line 2 is damaged"):
        held.journal.suppressed()
