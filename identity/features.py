"""Normalised records → the feature table that blocking and scoring read.

One row per source record. Every text is already comparable; what a record says twice is used once more to fill what it
does not say (a mail name holding the last name tells the missing initial). The table holds values as stated; the view
`people` empties mails, phones and homes that are hubs.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from identity.config import MatchConfig

# Raised when normalisation, derivation or a blocking key changes, so that stored features and keys are made anew.
FEATURES_VERSION = 2

STATED = (
    "given",
    "given_root",
    "given_roots",
    "middle",
    "family",
    "suffix",
    "mailbox",
    "telephone",
    "address",
    "street",
    "house_number",
    "postcode",
    "city",
    "birth",
    "birth_precision",
    "national_id",
)
KEPT = ("record_key", "source", "source_record_id", "content_hash", "email_norm", "name_signature")

# A mail name is its letters; digits at its end were added to make it free.
_DERIVE = """
with stated as (
    select
        record_key, source, source_record_id, content_hash,
        given_norm, family_norm, given_root, array_to_string(given_roots, '|') as given_roots,
        middle_norm as middle, name_suffix as suffix,
        case when email_kind <> 'placeholder' then email_norm end as email_norm,
        case when email_kind in ('personal', 'disposable') then email_base end as mailbox,
        phone_e164 as telephone, street_norm as street, house_number, postcode_norm as postcode, city_norm as city,
        dob_iso as birth, coalesce(dob_precision, 'day') as birth_precision, national_id,
        replace(replace(family_norm, ' ', ''), '-', '') as family_flat,
        replace(replace(given_norm, ' ', ''), '-', '') as given_flat,
        regexp_replace(regexp_replace(coalesce(email_local, ''), '[0-9]+$', ''), '[^a-z]', '', 'g') as handle
        {extra}
    from normalised
),

filled as (
    select
        * exclude (given_norm, family_norm, given_flat, family_flat, handle),
        coalesce(given_norm, case
            when length(family_flat) < 3 or length(handle) <= length(family_flat) then null
            when ends_with(handle, family_flat) then left(handle, length(handle) - length(family_flat))
            when starts_with(handle, family_flat) then substr(handle, length(family_flat) + 1)
        end) as given,
        coalesce(family_norm, case
            when length(given_flat) < 3 or length(handle) <= length(given_flat) + 1 then null
            when starts_with(handle, given_flat) then substr(handle, length(given_flat) + 1)
            when ends_with(handle, given_flat) then left(handle, length(handle) - length(given_flat))
        end) as family,
        case when street is not null then coalesce(house_number || ' ', '') || street end as address
    from stated
)

select
    record_key, source, source_record_id, content_hash, email_norm,
    left(given, 1) || left(family, 3) as name_signature,
    given, coalesce(given_root, given) as given_root, coalesce(given_roots, given_root, given) as given_roots,
    middle, family, suffix, mailbox, telephone, address, street, house_number, postcode, city, birth,
    birth_precision, national_id {extra}
from filled
"""


def columns(config: MatchConfig) -> tuple[str, ...]:
    """All columns of the feature table, in order."""
    return (*KEPT, *STATED, *(name for name, _ in config.extra))


def create_table(
    connection: duckdb.DuckDBPyConnection, table: str, config: MatchConfig, *, temporary: bool = False
) -> None:
    """A feature table if there is none; every column is text."""
    fields = ", ".join(f"{name} VARCHAR" for name in columns(config))
    connection.execute(f"create {'temp ' if temporary else ''}table if not exists {table} ({fields})")


def people(features: str) -> str:
    """SQL over a feature table with `email`, `email_user`, `phone` and `home`, which are empty where they are hubs."""
    return f"""
    (
        select
            f.*,
            case when e.value is null then f.mailbox end as email,
            case when e.value is null then split_part(f.mailbox, '@', 1) end as email_user,
            case when p.value is null then f.telephone end as phone,
            case when a.value is null then f.address end as home
        from {features} as f
        left join identity.state_hubs as e on e.kind = 'email' and e.value = f.mailbox
        left join identity.state_hubs as p on p.kind = 'phone' and p.value = f.telephone
        left join identity.state_hubs as a on a.kind = 'address' and a.value = f.address
    )
    """


def derive(connection: duckdb.DuckDBPyConnection, records: pa.Table, target: str, config: MatchConfig) -> None:
    """Append the features of `records` to `target`.

    `records` holds record_key, source, source_record_id, content_hash, the columns that `normalise.columns` reads, and
    national_id and the extra columns where the data have them.
    """
    from identity.normalise.columns import record_columns

    normalised = record_columns(records, default_country=config.country)
    for name in ("source", "source_record_id", "content_hash", "national_id", *(name for name, _ in config.extra)):
        present = name in records.column_names
        normalised = normalised.append_column(
            name, records.column(name).cast(pa.string()) if present else pa.nulls(records.num_rows, pa.string())
        )
    names = ", ".join(columns(config))
    extra = "".join(f", {name}" for name, _ in config.extra)
    connection.register("normalised", normalised)
    try:
        connection.execute(f"insert into {target} ({names}) select {names} from ({_DERIVE.format(extra=extra)})")
    finally:
        connection.unregister("normalised")
