"""Personas in the marts: the column `persona` of marts.profiles, and marts.personas, one row per persona.

Who is which persona is handed in as a relation; this writes it in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import duckdb

from cdp.errors import CheckFailed
from journeys.personas.rules import PersonaRules
from journeys.scope import checked_relation

REST = "everybody whom no other rule describes"


def write(
    connection: duckdb.DuckDBPyConnection, rules: PersonaRules, assigned: str, sentences: Mapping[str, str]
) -> int:
    """Write both tables; `assigned` is a relation (profile_id, key; null for the rest), `sentences` the rules in words.

    Returns how many profiles are in the rest. CheckFailed when somebody would be left without persona or have two.
    """
    relation = checked_relation(assigned)
    connection.execute("begin")
    exists = connection.execute(
        "select count(*) from information_schema.columns "
        "where table_schema = 'marts' and table_name = 'profiles' and column_name = 'persona'"
    ).fetchall()[0][0]
    kept = "* exclude (persona)" if exists else "*"
    before = connection.execute("select count(*) from marts.profiles").fetchall()
    connection.execute(
        f"create or replace table marts.profiles as select p.{kept}, coalesce(a.key, $rest) as persona "
        f"from marts.profiles as p inner join {relation} as a using (profile_id) order by p.profile_id",
        {"rest": rules.rest.key},
    )
    if connection.execute("select count(*) from marts.profiles").fetchall() != before:
        connection.execute("rollback")
        raise CheckFailed("Nothing was published: not every profile got exactly one persona.")
    connection.execute(
        "create or replace table marts.personas (persona varchar, position integer, title varchar, titles varchar, "
        "description varchar, sentence varchar, is_rest boolean)"
    )
    connection.executemany(
        "insert into marts.personas values (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.key, number, one.named(), json.dumps(one.title, ensure_ascii=False), one.description,
                sentences.get(one.key, REST), one is rules.rest,
            )
            for number, one in enumerate(rules.everyone, start=1)
        ],
    )  # fmt: skip
    rest = connection.execute("select count(*) from marts.profiles where persona = ?", [rules.rest.key]).fetchall()[0][
        0
    ]
    connection.execute("commit")
    return int(rest)
