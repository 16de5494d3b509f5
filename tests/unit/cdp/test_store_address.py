"""URLs taken apart for the two PostgreSQL drivers."""

from __future__ import annotations

import ssl

import pytest

from cdp.errors import ConfigurationError
from cdp.store import address


def test_both_drivers_are_told_the_same() -> None:
    url = address.parse("postgres://me:p%40ss@db.example:6543/cdp")
    eight, asynchronous = address.pg8000_arguments(url), address.asyncpg_arguments(url)
    for name in ("user", "password", "host", "port", "database"):
        assert eight[name] == asynchronous[name]
    assert (eight["user"], eight["password"], eight["port"]) == ("me", "p@ss", 6543)


@pytest.mark.parametrize("url", ["postgresql+asyncpg://h/d", "postgresql+psycopg2://h/d", "postgresql://h/d"])
def test_the_driver_in_a_url_does_not_matter(url: str) -> None:
    assert address.parse(url).drivername == "postgresql"


def test_a_socket_folder() -> None:
    url = address.parse("postgresql://postgres:@/postgres?host=/run/pg")
    assert address.pg8000_arguments(url)["unix_sock"] == "/run/pg/.s.PGSQL.5432"
    assert address.asyncpg_arguments(url)["host"] == "/run/pg"


def test_tls() -> None:
    def context(mode: str) -> ssl.SSLContext | None:
        found: ssl.SSLContext | None = address.pg8000_arguments(address.parse(f"postgresql://h/d?sslmode={mode}")).get(
            "ssl_context"
        )
        return found

    assert context("disable") is None
    full, require = context("verify-full"), context("require")
    assert full is not None and full.check_hostname and full.verify_mode == ssl.CERT_REQUIRED
    assert require is not None and require.verify_mode == ssl.CERT_NONE
    with pytest.raises(ConfigurationError, match="sslmode"):
        context("sometimes")
