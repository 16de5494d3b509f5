"""Whom records are about, in one shape for all entities: what suppression and erasure look at.

`speak_of` makes two temporary tables of a relation (row_no, record): `people`, what a record states as it stands, and
`people_normal`, the same in normal form. Normalising happens once per distinct value, outside the database, and costs
most: whoever looks for nothing but mailboxes has nothing else normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from pipelines.sources.entity import Entity
from pipelines.sources.fields import literal, text, texts

TRAITS = ("first_name", "last_name", "full_name", "email", "phone", "street", "postcode", "country")
MAIL = ("email",)

# What ids and addresses are made of; shorter words are too often something else.
_WORD = "[[:alnum:]._%+@-]{4,}"
# Rows with `record_key` and the traits → rows with `record_key` and the columns of identity's normalisation.
Normalise = Callable[[pa.Table], pa.Table]


def speak_of(
    connection: duckdb.DuckDBPyConnection,
    entity: Entity,
    records: str,
    normalise: Normalise,
    *,
    broken: str | None = None,
    normal: Sequence[str] = TRAITS,
) -> None:
    """Make `people` and `people_normal` of the relation `records` (row_no, and the canonical record as JSON).

    `broken` is a relation (row_no, payload) of lines that are no records: each word in them may be an id, a device or a
    mail address.

    people: row_no, ids (list of source:id, in the record's order), device, happened_at (when a person's record was last
    changed), and the traits as stated.
    people_normal: row_no, mailbox, phone, name, address; the last two as they are compared (given|family and
    number street|postcode), null where a part is missing. Of `normal`, all of TRAITS or MAIL, depends which are filled.
    """
    person = entity.person
    expressions = [*person.traits.values(), *(one for one in (person.record, person.device) if one)]
    traits = ", ".join(
        f"{text(person.traits[trait]) if trait in person.traits else 'cast(null as varchar)'} as {trait}"
        for trait in TRAITS
    )
    device = text(person.device) if person.device else "cast(null as varchar)"
    dated = entity.changed_at or entity.happened_at
    wanted = [text(column) for column in expressions] + [dated]
    connection.execute(
        f"""
        create or replace temp table people as
        select row_no, {_ids(entity)} as ids, {device} as device, {dated} as happened_at, {traits}
        from {texts(entity.column_names, wanted, records)}
        """
    )
    if broken is not None:
        _read_broken(connection, entity, broken)
    normalise_people(connection, normalise, normal=normal)


def narrow(connection: duckdb.DuckDBPyConnection, entity: Entity, records: str, normalise: Normalise) -> str:
    """A relation as `records`, of those that state a record, a device or a mailbox of the key tables.

    The key tables are those of `privacy.matching`, with values. Reading three texts of a record once costs a fraction
    of what `speak_of` does with all of them. Replaces the temporary table `narrowed`. Records about several people are
    not narrowed.
    """
    person = entity.person
    if person.separator is not None:
        return records
    keyed = []
    if person.record is not None:
        column, prefix = text(person.record), f"{entity.source}:"
        own = f"select substr(value, {len(prefix) + 1}) from key_records where starts_with(value, {literal(prefix)})"
        keyed.append(f"{f'lower({column})' if person.folded else column} in ({own})")
    if person.device is not None:
        keyed.append(f"{text(person.device)} in (select value from key_devices)")
    is_keyed = " or ".join(f"coalesce({one}, false)" for one in keyed) or "false"
    mail = text(person.traits["email"]) if "email" in person.traits else "cast(null as varchar)"
    connection.execute(
        f"""
        create or replace temp table narrowed as
        select row_no, record, {mail} as email, {is_keyed} as is_keyed
        from {texts(entity.column_names, [is_keyed, mail], records)}
        where {is_keyed} or {mail} is not null
        """
    )
    _known_mails(connection, "select distinct email from narrowed where email is not null", normalise)
    return "(select row_no, record from narrowed where is_keyed or email in (select value from known_mails))"


def _known_mails(connection: duckdb.DuckDBPyConnection, stated: str, normalise: Normalise) -> None:
    """Make `known_mails` (value): of the mails as stated, those of a mailbox in `key_mailboxes`."""
    mails = connection.execute(stated).to_arrow_table()
    numbers = pa.array(range(len(mails)), pa.int64())
    connection.register("stated_mails", mails.append_column("number", numbers))
    found = normalise(pa.table([numbers.cast(pa.string()), mails.column("email")], names=["record_key", "email"]))
    connection.register("found_normal", found)
    connection.execute(
        f"""
        create or replace temp table known_mails as
        with normal as (select record_key, {_NORMAL} from found_normal as f)
        select s.email as value from normal as n join stated_mails as s on s.number = n.record_key::bigint
        where n.mailbox in (select value from key_mailboxes)
        """
    )
    for name in ("stated_mails", "found_normal"):
        connection.unregister(name)


def ids_sql(entity: Entity, records: str) -> str:
    """A query of `row_no` and `id` (source:id): every record of a person that the `records` name, once each."""
    ids = _ids(entity)
    return f"select row_no, unnest({ids}) as id from {texts(entity.column_names, [ids], records)}"


def _read_broken(connection: duckdb.DuckDBPyConnection, entity: Entity, broken: str) -> None:
    """Two rows of `people` per word: as the id of a record (and as a mail address), and as a device."""
    nothing = ", ".join("null" for _ in TRAITS)
    mail = ", ".join("case when contains(word, '@') then word end" if t == "email" else "null" for t in TRAITS)
    word = "lower(word)" if entity.person.folded else "word"
    connection.execute(
        f"""
        insert into people
        with words as (
            select distinct row_no, unnest(regexp_extract_all(payload, '{_WORD}')) as word from {broken}
        )
        select row_no, [{literal(f"{entity.source}:")} || {word}], null, null, {mail} from words
        union all
        select row_no, [], word, null, {nothing} from words where {"true" if entity.person.device else "false"}
        """
    )


def _ids(entity: Entity) -> str:
    person = entity.person
    if person.record is None:
        return "cast([] as varchar[])"
    column, prefix = text(person.record), literal(f"{entity.source}:")
    if person.folded:
        column = f"lower({column})"
    if person.separator is None:
        return f"case when {column} is null then [] else [{prefix} || {column}] end"
    parts = f"string_split({column}, {literal(person.separator)})"
    named = f"list_filter(list_transform({parts}, lambda part: trim(part)), lambda part: part <> '')"
    return f"case when {column} is null then [] else list_transform({named}, lambda part: {prefix} || part) end"


def normalise_people(
    connection: duckdb.DuckDBPyConnection,
    normalise: Normalise,
    *,
    people: str = "people",
    normal: Sequence[str] = TRAITS,
) -> None:
    """Make `people_normal` of the relation `people`, from the traits in `normal`."""
    stated = " or ".join(f"{trait} is not null" for trait in normal if trait != "country")
    rows = connection.execute(
        f"""
        select any_value(row_no) as row_no, {", ".join(normal)} from {people}
        where {stated} group by all order by row_no
        """
    ).to_arrow_table()
    columns = [rows.column("row_no").cast(pa.string()), *(rows.column(trait) for trait in normal)]
    found = normalise(pa.table(columns, names=["record_key", *normal]))
    connection.register("found_normal", found)
    same = " and ".join(f"people.{trait} is not distinct from stated.{trait}" for trait in normal)
    connection.execute(
        f"""
        create or replace temp table people_normal as
        with stated as (
            select people.row_no, {", ".join(f"people.{trait}" for trait in normal)}, {_NORMAL}
            from found_normal as f join {people} as people on people.row_no = f.record_key::bigint
        )
        select people.row_no, stated.mailbox, stated.phone_normal as phone, stated.name, stated.address
        from {people} as people join stated on {same}
        where coalesce(stated.mailbox, stated.phone_normal, stated.name, stated.address) is not null
        """
    )
    connection.unregister("found_normal")


# A desk's or a placeholder's mail address is nobody's own.
_NORMAL = """
    case when f.email_kind in ('personal', 'disposable') then f.email_base end as mailbox,
    f.phone_e164 as phone_normal,
    f.given_norm || '|' || f.family_norm as name,
    coalesce(f.house_number || ' ', '') || f.street_norm || '|' || f.postcode_norm as address
"""
