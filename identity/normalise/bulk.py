"""Mails, names and streets of whole columns: the plain majority in Arrow, everything else value by value.

What is done here is what `normalise_email`, `normalise_name` and `normalise_street` do; a test compares the two. Word
lists, domains and parts of names are still looked up by those modules, once per distinct value.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from identity.normalise.address import normalise_street, numbered_street
from identity.normalise.email import DOMAINS, kinds_of_local, normalise_email
from identity.normalise.name import family_part, given_part, normalise_name
from identity.normalise.nicknames import given_roots
from identity.normalise.spreading import TEXT, Columns, distinct, mask_of, merged, spread, type_of

EMAIL = ("email_norm", "email_local", "email_domain", "email_kind", "email_base")
NAME = (
    "given_norm", "given_root", "given_roots", "given_initial", "middle_norm", "family_norm", "name_suffix",
    "full_norm", "name_key",
)  # fmt: skip
STREET = ("street_norm", "house_number", "unit")
_PLAIN_ADDRESS = r"^(?P<local>[a-z0-9._-]{1,64})@(?P<domain>[a-z0-9.-]+)$"
_PLAIN_STREET = r"^(?P<number>[0-9]{1,6}) (?P<rest>[a-z]{2}[\x20-\x7e]*)$"


def emails(column: pa.Array) -> Columns:
    """The columns of `EMAIL` for trimmed texts."""
    found = pc.extract_regex(pc.ascii_lower(column), _PLAIN_ADDRESS)
    domain = pc.struct_field(found, [1]).dictionary_encode()
    known = [DOMAINS[name] for name in domain.dictionary.to_pylist()]
    # A dash starts a tag at some providers only; their addresses with one go the long way.
    dashed = pc.match_substring(pc.struct_field(found, [0]), "-")
    tagged = pa.array([one is not None and "-" in one.tag for one in known], pa.bool_()).take(domain.indices)
    usable = pa.array([one is not None for one in known], pa.bool_()).take(domain.indices)
    # Of punctuation alone something is left, whatever a provider ignores.
    lettered = pc.match_substring_regex(pc.struct_field(found, [0]), "[a-z0-9]")
    chosen = mask_of(pc.and_(pc.and_(usable, lettered), pc.invert(pc.and_(tagged, dashed))))

    local, indices = pc.struct_field(found, [0]).filter(pa.array(chosen)), domain.indices.filter(pa.array(chosen))

    def of_domain(values: list[str | None]) -> pa.Array:
        return pa.array(values, TEXT).take(indices)

    ignored = of_domain([one.ignored if one else None for one in known])
    bare = pc.replace_substring_regex(local, "[._-]", "")
    box = pc.if_else(pc.equal(ignored, "._-"), bare, local)
    box = pc.if_else(pc.equal(ignored, "."), pc.replace_substring(local, ".", ""), box)
    public = pa.array([bool(one and one.public) for one in known], pa.bool_()).take(indices)
    kind = _kinds(bare, of_domain([one.kind if one else None for one in known]), public)
    name = domain.dictionary.take(indices)
    base = pc.binary_join_element_wise(box, of_domain([one.canonical if one else None for one in known]), "@")
    plain = {
        "email_norm": pc.binary_join_element_wise(local, name, "@"),
        "email_local": local,
        "email_domain": name,
        "email_kind": kind,
        "email_base": pc.if_else(pc.equal(kind, "placeholder"), pa.scalar(None, TEXT), base),
    }
    rest = spread(distinct([column.filter(pa.array(~chosen))]), EMAIL, normalise_email)
    return merged(chosen, plain, rest)


def _kinds(bare: pa.Array, of_domain: pa.Array, public: pa.Array) -> pa.Array:
    words = kinds_of_local()
    vocabulary, kinds = pa.array(list(words), TEXT), pa.array(list(words.values()), TEXT)
    stated = kinds.take(pc.index_in(bare, vocabulary))
    desk = kinds.take(pc.index_in(pc.ascii_rtrim(bare, "0123456789"), vocabulary))
    length = pc.binary_length(bare)
    one_letter = pc.equal(bare, pc.binary_repeat(pc.utf8_slice_codeunits(bare, 0, 1), length))
    is_placeholder = pc.or_(
        pc.or_(_is(of_domain, "placeholder"), _is(stated, "placeholder")), pc.and_(pc.greater(length, 2), one_letter)
    )
    is_role = pc.or_(_is(stated, "role"), pc.and_(pc.and_(pc.is_null(stated), pc.invert(public)), _is(desk, "role")))
    return pc.case_when(
        pc.make_struct(is_placeholder, _is(of_domain, "disposable"), is_role),
        pa.scalar("placeholder"), pa.scalar("disposable"), pa.scalar("role"), pa.scalar("personal"),
    )  # fmt: skip


def _is(values: pa.Array, word: str) -> pa.Array:
    return pc.fill_null(pc.equal(values, word), False)


def names(first: pa.Array, middle: pa.Array, last: pa.Array, full: pa.Array) -> Columns:
    """The columns of `NAME` for trimmed texts, blank ones null."""
    given, family = first.dictionary_encode(), last.dictionary_encode()
    givens = [given_part(text).simple for text in given.dictionary.to_pylist()]
    families = [family_part(text).simple for text in family.dictionary.to_pylist()]
    # Initials and doubled names are left to the general way, which gives them a key of their own.
    givens = [name if name and len(name) > 1 else None for name in givens]
    families = [name if name and len(name) > 1 else None for name in families]
    stated_first = pa.array(givens, TEXT).take(given.indices)
    stated_last = pa.array(families, TEXT).take(family.indices)
    chosen = mask_of(pc.and_(pc.not_equal(stated_first, stated_last), pc.is_null(middle)))

    mask = pa.array(chosen)
    one, two, of_first = stated_first.filter(mask), stated_last.filter(mask), given.indices.filter(mask)
    roots = [given_roots(name) if name else (None,) for name in givens]
    in_order = pc.less(one, two)
    plain = {
        "given_norm": one,
        "given_root": pa.array([all_roots[0] for all_roots in roots], TEXT).take(of_first),
        "given_roots": pa.array(roots, pa.list_(TEXT)).take(of_first),
        "given_initial": pc.utf8_slice_codeunits(one, 0, 1),
        "family_norm": two,
        "full_norm": pc.binary_join_element_wise(one, two, " "),
        "name_key": pc.binary_join_element_wise(pc.if_else(in_order, one, two), pc.if_else(in_order, two, one), " "),
    }
    plain |= {name: pa.nulls(len(one), type_of(name)) for name in NAME if name not in plain}
    others = [column.filter(pa.array(~chosen)) for column in (first, middle, last, full)]
    rest = spread(distinct(others, optional=True), NAME, normalise_name, optional=True)
    return merged(chosen, plain, rest)


def streets(column: pa.Array) -> Columns:
    """The columns of `STREET` for trimmed texts."""
    found = pc.extract_regex(pc.ascii_lower(column), _PLAIN_STREET)
    rest = pc.struct_field(found, [1])
    # `12 bis Rue …`: the word belongs to the number.
    numbered = pc.match_substring_regex(rest, r"^(bis|ter|quater)\b")
    short = pc.less(pc.binary_length(column), 1000)
    chosen = mask_of(pc.and_(pc.and_(pc.is_valid(rest), short), pc.invert(numbered)))

    mask = pa.array(chosen)
    number, name = pc.struct_field(found, [0]).filter(mask), rest.filter(mask).dictionary_encode()
    known = [numbered_street(text) for text in name.dictionary.to_pylist()]
    digits = pc.utf8_ltrim(number, "0")
    digits = pc.if_else(pc.equal(pc.binary_length(digits), 0), number, digits)
    has_number = pa.array([street.house_number is not None for street in known], pa.bool_()).take(name.indices)

    def of_name(values: Sequence[str | None]) -> pa.Array:
        return pa.array(values, TEXT).take(name.indices)

    plain = {
        "street_norm": of_name([street.street for street in known]),
        "house_number": pc.if_else(has_number, digits, pa.scalar(None, TEXT)),
        "unit": of_name([street.unit for street in known]),
    }
    return merged(chosen, plain, spread(distinct([column.filter(pa.array(~chosen))]), STREET, normalise_street))
