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


class _Provider(NamedTuple):
    domain: str
    ignored: str
    tag: str


INVALID = Email(None, None, None, "invalid", None)
_PLAIN = re.compile(r"([a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64})@((?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9])")
_WIDE = re.compile(r"([^\s@<>()\[\],;:\"\\]{1,64})@([^\s@<>()\[\],;:\"\\/]+\.[^\s@<>()\[\],;:\"\\/.]{2,})")
_BRACKETS = re.compile(r"<([^<>\s]+@[^<>\s]+)>")
_LONGEST = 254
# Reserved by RFC 2606 and RFC 6761: nobody can receive mail there.
_RESERVED = (".example", ".invalid", ".test", ".localhost", ".local")


def normalise_email(text: str) -> Email:
    """The address in `text`; never raises."""
    address = text.strip().lower()
    match = _PLAIN.fullmatch(address) or _PLAIN.fullmatch(address := _tidy(text)) or _WIDE.fullmatch(address)
    if match is None or len(address) > _LONGEST:
        return INVALID
    local, domain = match.group(1), match.group(2)
    if not domain.isascii() and (domain := _ascii_domain(domain)) == "":
        return INVALID
    norm = f"{local}@{domain}"
    provider = _providers().get(domain)
    box = _mailbox(local, provider)
    kind = _kind(box, domain, public=provider is not None)
    if kind == "placeholder":
        return Email(norm, local, domain, kind, None)
    return Email(norm, local, domain, kind, f"{box}@{provider.domain if provider else domain}")


def _tidy(text: str) -> str:
    """Width and case folded, the wrapping people paste along (`mailto:`, `Name <address>`, quotes, full stops) removed."""
    folded = unicodedata.normalize("NFKC", text[:1000]).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    folded = "".join(letter for letter in folded if unicodedata.category(letter) not in {"Cf", "Cc"} or letter.isspace())
    bracketed = _BRACKETS.search(folded)
    address = bracketed.group(1) if bracketed else folded
    while True:
        shorter = address.strip(" \t\r\n\u3000'\"<>()[],;:").removeprefix("mailto:").rstrip(".")
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


def _mailbox(local: str, provider: _Provider | None) -> str:
    """The local part without tag and without what the provider ignores; unchanged when nothing would be left."""
    box = local
    for separator in provider.tag if provider else "+":
        box = box.partition(separator)[0] or box
    if provider:
        for letter in provider.ignored:
            box = box.replace(letter, "")
    return box or local


def _kind(box: str, domain: str, *, public: bool) -> str:
    if domain in words("mail_domains", "placeholder") or domain.endswith(_RESERVED):
        return "placeholder"
    bare = box.replace(".", "").replace("-", "").replace("_", "")
    if bare in words("mail_locals", "placeholder") or (len(bare) > 2 and len(set(bare)) == 1):
        return "placeholder"
    if domain in words("mail_domains", "disposable"):
        return "disposable"
    # At a mail provider `office2` may be somebody's own name for a mailbox; at a company it is a desk.
    if bare in words("mail_locals", "role") or (not public and bare.rstrip("0123456789") in words("mail_locals", "role")):
        return "role"
    return "personal"


@cache
def _providers() -> dict[str, _Provider]:
    return {
        domain: _Provider(row["canonical"], row["ignored"], row["tag"])
        for row in rows("mail_providers")
        for domain in row["domains"].split()
    }
