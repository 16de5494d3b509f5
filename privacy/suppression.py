"""Who is kept from coming back, person by person: which tokens are one person's, and lifting it for who is named.

Nobody is looked up: what a caller names is hashed under every version of the key and compared. Somebody named by one
identifier is let in with all that their erasure suppressed; what others are kept out by too stays.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from cdp.domain.words import IDENTIFIER_OF_SOURCE, IdentifierType, Source
from cdp.errors import ConflictError, InputError
from privacy.closure import Named
from privacy.journal import Journal, Suppressed
from privacy.keys import TokenKeys, token_keys
from privacy.tokens import Kind, Token, digest

PREFIX = "un-"


def new_name(now: datetime) -> str:
    """The id under which a lifting is kept and found."""
    return f"{PREFIX}{now:%Y%m%d}-{secrets.token_hex(6)}"


def records_of(named: Named) -> list[str]:
    """Which records (source:id) an identifier is the number of; none for a mail, a phone, a device or a profile."""
    return [f"{source}:{named.value}" for source, kind in IDENTIFIER_OF_SOURCE.items() if kind == named.kind]


def together(people: Iterable[Sequence[Token]]) -> list[list[Token]]:
    """Tokens by person: those of a person who was named twice, as a common record tells, are joined. No empty ones."""
    given = list(people)
    return [
        list(dict.fromkeys(token for number in one for token in given[number]))
        for one in _joined(given)
        if any(given[number] for number in one)
    ]


def lift(folder: Path, people: Sequence[Named], *, name: str, at: datetime, audit: Callable[[], None]) -> int:
    """Let people come in again; returns how many were kept out.

    One entry of the journal called `name` says so, also when nobody was; `audit` is called before it is written, since
    nothing is let in of which nobody could say who allowed it, and only when nothing is refused.

    InputError for an identifier of which no suppression is kept, ConflictError for an address by which several people
    are kept out; neither repeats it.
    """
    if any(one.mailbox is None and not _records(one) for one in people):
        raise InputError("Nobody is kept out by such an identifier alone; name a personal mail address or an id.")
    keys = token_keys(folder)
    records = {hashed for one in people for hashed in _hashed(keys, "record", _records(one))}
    mailboxes = {hashed for one in people if one.mailbox for hashed in _hashed(keys, "mailbox", [one.mailbox])}

    def choose(held: list[Suppressed]) -> list[Suppressed]:
        joined = _joined([one.tokens for one in held])
        stated = [{token for number in one for token in held[number].tokens if _is_strong(token)} for one in joined]
        by_record = {place for place, tokens in enumerate(stated) if any(one.value in records for one in tokens)}
        found = set(by_record)
        for mailbox in mailboxes:
            places = {place for place, tokens in enumerate(stated) if any(one.value == mailbox for one in tokens)}
            # Who is erased a second time has nothing but the address by then: that is no other person.
            known = {place for place in places if any(one.kind == "record" for one in stated[place])}
            own = known & by_record if len(known) > 1 else known
            if known and not own:
                raise ConflictError(
                    "Several people are kept out by one address; name an id that is one person's alone."
                )
            found |= own | (places - known)
        audit()
        return [held[number] for place in sorted(found) for number in joined[place]]

    return Journal(folder).lift(name, choose, at)


def _records(named: Named) -> list[str]:
    """As `records_of`, and the records of sources in which a person's id is their mail address."""
    mails = [f"{Source.MARKETING}:{named.value}"] if named.kind == IdentifierType.EMAIL else []
    return records_of(named) + mails


def _hashed(keys: TokenKeys, kind: Kind, values: Iterable[str]) -> set[str]:
    return {digest(key, kind, value) for value in values for key in keys.versions.values()}


def _is_strong(token: Token) -> bool:
    """Names one person, for ever: what a rule of retention left out by its age is nobody's to lift."""
    return token.kind in ("record", "mailbox") and token.held_to is None


def _joined(people: Sequence[Sequence[Token]]) -> list[list[int]]:
    """The numbers of those who have a record in common, directly or by others, in the order of the first of each."""
    leads: dict[int, int] = {}
    first: dict[str, int] = {}

    def root(number: int) -> int:
        while leads.get(number, number) != number:
            number = leads[number]
        return number

    for number, tokens in enumerate(people):
        for token in tokens:
            if token.kind == "record":
                one, other = sorted((root(first.setdefault(token.value, number)), root(number)))
                leads[other] = one
    found: dict[int, list[int]] = {}
    for number in range(len(people)):
        found.setdefault(root(number), []).append(number)
    return list(found.values())
