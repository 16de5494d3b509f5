"""The golden record: of all that a profile's records state, the value each trait shows, and where it came from.

Candidates are usable values only: mails and phones in normal form, no placeholders, no hubs, no names of nobody. A
value that was put right goes before all others; else the rules come from YAML (`survivorship_rules`).
`identity.golden_origins` holds the origin of every surviving value and the rule that decided; `identity.golden` is that
table turned round, so the two never disagree. All work belongs to the caller's transaction.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from cdp.domain.words import IDENTIFIER_OF_SOURCE, IdentifierType
from identity.survivorship_rules import TRAITS, Rules, Unit, read_rules

_ORIGINS = """
create table if not exists identity.golden_origins (
    profile_id VARCHAR, trait VARCHAR, value VARCHAR, source VARCHAR, source_record_id VARCHAR, observed_at TIMESTAMP,
    rule VARCHAR)
"""
# Raised when a golden record would come out otherwise than before, so that all are made anew.
GOLDEN_VERSION = 1

# The rule that goes before those of the file: a value that was put right.
CORRECTION = "correction"

# Trait → the text that makes two spellings of it the same value.
_KEYS = {
    "first_name": "f.given",
    "last_name": "f.family",
    "full_name": "concat_ws(' ', f.given, f.family)",
    "email": "f.email_norm",
    "phone": "f.telephone",
    "birth_date": "f.birth",
    "street": "f.address",
    "city": "f.city",
    "region": "lower(r.region)",
    "postcode": "f.postcode",
    "country": "upper(r.country)",
}


def _named(trait: str) -> str:
    """The text of a name column unless it names nobody."""
    return f"case when r.{trait} not in (select value from wf_nobody where trait = '{trait}') then r.{trait} end"


_VALUES = {
    "first_name": _named("first_name"),
    "last_name": _named("last_name"),
    # Chinese names are written surname first, without a space.
    "full_name": f"""coalesce(
        {_named("full_name")},
        case when regexp_full_match(r.last_name, '[\u4e00-\u9fff]+') then concat(r.last_name, r.first_name)
        else nullif(concat_ws(' ', {_named("first_name")}, {_named("last_name")}), '') end)""",
    "email": "case when e.value is null then f.email_norm end",
    "phone": "case when p.value is null then f.telephone end",
    "birth_date": "case when f.birth_precision <> 'year' then f.birth end",
    "street": "r.street",
    "city": "r.city",
    "region": "r.region",
    "postcode": "r.postcode",
    "country": "r.country",
}


def write_golden(
    connection: duckdb.DuckDBPyConnection, rules_path: Path | None = None, *, only: str | None = None
) -> None:
    """Replace `identity.golden` and `identity.golden_origins`.

    Reads the identity map, the profiles, `identity.state_features`, `identity.state_hubs` and
    `intermediate.int_source_records`. `only` names a table of profile_id: then just these profiles are made anew, and
    those that no longer live are dropped. ConfigurationError when the rules are wrong.
    """
    rules = read_rules(rules_path)
    connection.execute(_ORIGINS)
    chosen = f"profile_id in (select profile_id from {only})" if only else "true"
    gone = "profile_id not in (select profile_id from identity.profiles where status = 'living')"
    for table in ("golden", "golden_origins"):
        connection.execute(f"delete from identity.{table} where {chosen} or {gone}")
    _learn_nobody(connection, chosen)
    connection.execute(_stated(chosen))
    for unit in rules.units:
        connection.execute(_ranked(unit, rules))
        for trait in unit.traits:
            connection.execute(_survivors(trait, unit))
    connection.execute(_golden(chosen))
    connection.execute("drop table wf_stated; drop table wf_ranked; drop table wf_nobody")


def write_identifiers(connection: duckdb.DuckDBPyConnection, *, only: str | None = None) -> None:
    """Replace `identity.identifiers`: every normalised value by which a profile is found, hubs left out.

    `only` is that of `write_golden`.
    """
    chosen = f"profile_id in (select profile_id from {only})" if only else "true"
    gone = "profile_id not in (select profile_id from identity.profiles where status = 'living')"
    connection.execute(f"delete from identity.identifiers where {chosen} or {gone}")
    records = f"""
        (select * from identity.identity_map where {chosen}) as m
        join identity.state_features as f on f.source = m.source and f.source_record_id = m.source_record_id
    """
    for kind, column, hub in (
        (IdentifierType.EMAIL, "email_norm", "mailbox"),
        (IdentifierType.PHONE, "telephone", "telephone"),
    ):
        connection.execute(
            f"""
            insert into identity.identifiers
            select m.profile_id, '{kind}', f.{column}, m.source, m.source_record_id
            from {records} left join identity.state_hubs as h on h.kind = '{kind}' and h.value = f.{hub}
            where f.{column} is not null and h.value is null
            """
        )
    for source, kind in (*IDENTIFIER_OF_SOURCE.items(), ("marketing", IdentifierType.EMAIL)):
        connection.execute(
            f"""
            insert into identity.identifiers
            select profile_id, ?, source_record_id, source, source_record_id
            from identity.identity_map where source = ? and {chosen}
            """,
            [str(kind), str(source)],
        )
    connection.execute(
        f"""
        insert into identity.identifiers
        select distinct profile_id, ?, anonymous_id, 'web', anonymous_id from identity.device_map where {chosen}
        """,
        [str(IdentifierType.ANONYMOUS_ID)],
    )


def _learn_nobody(connection: duckdb.DuckDBPyConnection, chosen: str) -> None:
    """`wf_nobody` (trait, value): texts in name columns that name nobody, such as Unknown or Lady of the House."""
    from identity.normalise.columns import record_columns

    connection.execute("create or replace temp table wf_nobody (trait VARCHAR, value VARCHAR)")
    for trait in ("first_name", "last_name", "full_name"):
        # A whole name from which a given or family name was read names somebody.
        doubtful = "and f.given is null and f.family is null" if trait == "full_name" else ""
        texts = connection.execute(
            f"""
            select distinct r.{trait} as record_key, r.{trait}
            from (select source, source_record_id from identity.identity_map where {chosen})
            join intermediate.int_source_records as r using (source, source_record_id)
            join identity.state_features as f using (source, source_record_id)
            where r.{trait} is not null {doubtful}
            """
        ).to_arrow_table()
        connection.register("normalised", record_columns(texts))
        connection.execute(
            f"insert into wf_nobody select '{trait}', record_key from normalised where full_norm is null"
        )
        connection.unregister("normalised")


def _stated(chosen: str) -> str:
    """`wf_stated`: per record its profile and time, and per trait `v_` value, `k_` comparable, `c_` put right."""
    columns = ",\n".join(
        f"{_VALUES[trait]} as v_{trait}, {_KEYS[trait]} as k_{trait}, {_was_corrected(trait)} as c_{trait}"
        for trait in TRAITS
    )
    return f"""
    create or replace temp table wf_stated as
    select
        m.profile_id, m.source, m.source_record_id, m.source || ':' || m.source_record_id as record_key,
        coalesce(r.updated_at, r.created_at) as observed_at,
        w.source_record_id is not null as is_written_to,
        {columns}
    from identity.identity_map as m
    join intermediate.int_source_records as r on r.source = m.source and r.source_record_id = m.source_record_id
    join identity.state_features as f on f.source = m.source and f.source_record_id = m.source_record_id
    left join identity.state_hubs as e on e.kind = 'email' and e.value = f.mailbox
    left join identity.state_hubs as p on p.kind = 'phone' and p.value = f.telephone
    left join identity.identity_map as w on w.source = 'marketing' and w.source_record_id = f.email_norm
    where {chosen.replace("profile_id in", "m.profile_id in")}
    """


def _was_corrected(trait: str) -> str:
    return f"coalesce(list_contains(string_split(r.corrected, ' '), '{trait}'), false)"


def _ranked(unit: Unit, rules: Rules) -> str:
    """`wf_ranked`: the records that state any trait of the unit, with `key` and `rank`, the best rank smallest."""
    key = " || '|' || ".join(f"coalesce(k_{trait}, '')" for trait in unit.traits)
    stated = " or ".join(f"v_{trait} is not null" for trait in unit.traits)
    complete = " + ".join(f"(v_{trait} is not null)::INTEGER" for trait in unit.traits)
    order = "".join(f"when '{source}' then {place} " for place, source in enumerate(rules.source_priority))
    verified = "n_sources > 1" + (" or is_written_to" if unit.traits == ["email"] else "")
    by_rule = {
        "verified_first": f"({verified})::INTEGER * -1",
        "most_frequent": "n_records * -1",
        "most_recent": "coalesce(epoch_us(observed_at) * -1, 9223372036854775807)",
        "most_complete": f"({complete}) * -1",
        "source_priority": f"case source {order} else 1000 end" if order else "0",
    }
    corrected = " or ".join(f"c_{trait}" for trait in unit.traits)
    first = f"{CORRECTION} := ({corrected})::BIGINT * -1"
    fields = ", ".join([first, *(f"{rule} := ({by_rule[rule]})::BIGINT" for rule in unit.rules)])
    return f"""
    create or replace temp table wf_ranked as
    with stated as (select *, {key} as key from wf_stated where {stated}),
    counted as (
        select profile_id, key, count(*) as n_records, count(distinct source) as n_sources
        from stated group by profile_id, key
    )
    select stated.*, struct_pack({fields}, record_key := record_key) as rank
    from stated join counted using (profile_id, key)
    """


def _survivors(trait: str, unit: Unit) -> str:
    """The surviving value of one trait per profile, with its origin and the rule by which it beat the next value."""
    candidates = f"where v_{trait} is not null" if unit.fill else ""
    rules = (CORRECTION, *unit.rules)
    decided = " ".join(f"when best.rank.{rule} <> second.rank.{rule} then '{rule}'" for rule in rules)
    return f"""
    insert into identity.golden_origins
    with candidates as (select * from wf_ranked {candidates}),
    picked as (
        select profile_id, arg_min(struct_pack(
            value := v_{trait}, key := key, source := source, source_record_id := source_record_id,
            observed_at := observed_at, corrected := c_{trait}, rank := rank), rank) as best
        from candidates group by profile_id
    ),
    others as (
        select profile_id, min(c.rank) as rank
        from candidates as c join picked as b using (profile_id) where c.key <> b.best.key group by profile_id
    )
    select picked.profile_id, '{trait}', best.value, best.source, best.source_record_id, best.observed_at,
        case
            when best.corrected then '{CORRECTION}' when second.rank is null then 'only_value' {decided}
            else 'record_key'
        end
    from picked left join others as second using (profile_id)
    where best.value is not null
    """


def _golden(chosen: str) -> str:
    """One row per living profile; profiles of devices alone are anonymous, those of an address alone show it."""
    columns = ", ".join(f"max(value) filter (trait = '{trait}') as {trait}" for trait in TRAITS)
    shown = {
        **{trait: f"o.{trait}" for trait in TRAITS},
        "email": "coalesce(o.email, a.address)",
        "birth_date": "try_cast(o.birth_date as DATE)",
    }
    return f"""
    insert into identity.golden
    with origins as (select profile_id, {columns} from identity.golden_origins where {chosen} group by profile_id),
    people as (
        select profile_id, count(*) as records, count(distinct source) as sources, min(confidence) as confidence
        from identity.identity_map where source <> 'marketing' group by profile_id
    ),
    addresses as (
        select profile_id, min(source_record_id) as address
        from identity.identity_map where source = 'marketing' group by profile_id
    )
    select
        p.profile_id, {", ".join(shown[trait] for trait in TRAITS)},
        k.profile_id is null and a.profile_id is null, coalesce(k.records, 0), coalesce(k.sources, 0),
        coalesce(k.confidence, 1.0)
    from identity.profiles as p
    left join origins as o using (profile_id)
    left join people as k using (profile_id)
    left join addresses as a using (profile_id)
    where p.status = 'living' and {chosen.replace("profile_id in", "p.profile_id in")}
    """
