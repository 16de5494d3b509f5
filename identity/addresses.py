"""Mail addresses that only marketing knows: to whose profile they belong.

An address belongs to the profile whose records carry it; when several do, to the one with most such records, then to
the oldest. An address that nobody carries, or that is a hub, has a profile of its own.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from identity.config import MatchConfig


def learn(connection: duckdb.DuckDBPyConnection, config: MatchConfig) -> None:
    """Keep `identity.state_addresses` (address, mailbox): the mailbox behind every address, normalised once."""
    from identity.normalise.columns import record_columns

    new = connection.execute(
        "select distinct a.email as record_key, a.email from intermediate.int_marketing_addresses as a "
        "anti join identity.state_addresses as s on s.address = a.email order by 1"
    ).to_arrow_table()
    if not new.num_rows:
        return
    normalised = record_columns(new, default_country=config.country)
    connection.register(
        "arriving", pa.table({"address": new.column("email"), "mailbox": normalised.column("email_base")})
    )
    connection.execute("insert into identity.state_addresses select address, mailbox from arriving")
    connection.unregister("arriving")


def place(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `wf_addresses` (key, profile_id): each address and the person behind it, null when there is none."""
    connection.execute(
        """
        create or replace temp table wf_addresses as
        with carried as (
            select f.mailbox, m.profile_id, count(*) as records, any_value(p.created_seq) as age
            from identity.state_features as f
            join identity.identity_map as m on m.source = f.source and m.source_record_id = f.source_record_id
            join identity.profiles as p on p.profile_id = m.profile_id
            where f.mailbox is not null and f.mailbox not in (select value from identity.state_hubs
                where kind = 'email')
            group by f.mailbox, m.profile_id
        ),
        best as (
            select mailbox, profile_id from carried
            qualify row_number() over (partition by mailbox order by records desc, age) = 1
        )
        select a.email as key, b.profile_id
        from (select distinct email from intermediate.int_marketing_addresses) as a
        left join identity.state_addresses as s on s.address = a.email
        left join best as b using (mailbox)
        """
    )
