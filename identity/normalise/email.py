"""Mail addresses: what was written → the address, its mailbox, and what kind of address it is.

`norm` is the address as its owner would recognise it (case and width folded). `base` is the mailbox behind it: tags
(`name+shop@`) and provider conventions (dots at Gmail, one mailbox under several domains) removed. Kinds: `personal`;
`role` (info@, sales@: many people); `disposable`; `placeholder` (noemail@, @example.com: nobody); `invalid` (no address
at all, every other field null).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from identity.normalise.word_lists import rows, words


class Email(NamedTuple):
    """One address; all text null when the kind is `invalid`, `base` null too for a placeholder."""

    norm: str | None
    local: str | None
    domain: str | None
    kind: str
    base: str | None


class Domain(NamedTuple):
    """What is known of a domain: where its mail goes, what its local parts ignore, what starts a tag, and its kind."""

    canonical: str
    ignored: str = ""
    tag: str = "+"
    public: bool = False
    kind: str | None = None


class Domains(dict[str, "Domain | None"]):
    """Domain → what is known of it, worked out once per domain; None where it cannot be one."""

    def __missing__(self, domain: str) -> Domain | None:
        known = _DOMAIN.fullmatch(domain) is not None and len(domain) < _LONGEST
        found = (_providers().get(domain) or Domain(domain, kind=_kind_of_domain(domain))) if known else None
        # A table of a million company domains must not stay in memory for ever.
        if len(self) < 200_000:
            self[domain] = found
        return found


INVALID = Email(None, None, None, "invalid", None)
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_WIDE_LOCAL = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}")
_BRACKETS = re.compile(r"<([^<>\s]+@[^<>\s]+)>")
_LONGEST = 190
# Reserved by RFC 2606 and RFC 6761: nobody can receive mail there.
_RESERVED = (".example", ".invalid", ".test", ".localhost", ".local")
DOMAINS = Domains()


def normalise_email(text: str) -> Email:
    """The address in `text`; never raises."""
    local, _, domain = text.strip().lower().partition("@")
    if not _LOCAL.fullmatch(local) or (known := DOMAINS[domain]) is None:
        local, _, domain = _tidy(text).rpartition("@")
        if not domain.isascii():
            domain = _ascii_domain(domain)
        if not _WIDE_LOCAL.fullmatch(local) or (known := DOMAINS[domain]) is None:
            return INVALID
    box = local
    for separator in known.tag:
        if separator in box:
            box = box.partition(separator)[0] or box
    for letter in known.ignored:
        if letter in box:
            box = box.replace(letter, "") or box
    kind = _kind(box, known)
    base = None if kind == "placeholder" else f"{box}@{known.canonical}"
    return Email(f"{local}@{domain}", local, domain, kind, base)


def _tidy(text: str) -> str:
    """Width and case folded; what people paste along (`mailto:`, `Name <address>`, quotes, full stops) removed."""
    folded = unicodedata.normalize("NFKC", text[:1000])
    for _ in range(3):
        folded = unicodedata.normalize("NFKC", folded.casefold())
    folded = "".join(letter for letter in folded if letter.isspace() or unicodedata.category(letter)[0] != "C")
    bracketed = _BRACKETS.search(folded)
    address = bracketed.group(1) if bracketed else folded
    while True:
        shorter = address.strip(' \t\r\n\u3000"<>()[],;:').removeprefix("mailto:").rstrip(".")
        if len(shorter) > 1 and shorter[0] == shorter[-1] == "'":
            shorter = shorter[1:-1]
        if shorter == address:
            break
        address = shorter
    local, at, domain = address.rpartition("@")
    return f"{local.strip()}{at}{domain.strip()}"


def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def _kind(box: str, domain: Domain) -> str:
    bare = box if box.isalnum() else box.replace(".", "").replace("-", "").replace("_", "")
    kinds = kinds_of_local()
    kind = kinds.get(bare)
    if domain.kind == "placeholder" or kind == "placeholder" or (len(bare) > 2 and bare == bare[0] * len(bare)):
        return "placeholder"
    if domain.kind == "disposable":
        return "disposable"
    # At a mail provider `office2` may be somebody's own name for a mailbox; at a company it is a desk.
    if kind is None and not domain.public:
        kind = kinds.get(bare.rstrip("0123456789"))
    return "role" if kind == "role" else "personal"


def _kind_of_domain(domain: str) -> str | None:
    if domain.endswith(_RESERVED) or domain in words("mail_domains", "placeholder"):
        return "placeholder"
    return "disposable" if domain in words("mail_domains", "disposable") else None


@cache
def kinds_of_local() -> dict[str, str]:
    """Local part without dots, dashes and underscores → `placeholder` or `role`."""
    return {row["word"]: row["kind"] for row in rows("mail_locals")}


@cache
def _providers() -> dict[str, Domain]:
    return {
        domain: Domain(row["canonical"], row["ignored"], row["tag"], public=True)
        for row in rows("mail_providers")
        for domain in row["domains"].split()
    }
