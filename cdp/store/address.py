"""Where a store is: the URL taken apart for each driver, and what a person reads when it is not usable.

Passwords stay inside the URL object; messages name the database and host only.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from cdp.errors import ConfigurationError

POSTGRES_NAMES = {"postgres", "postgresql"}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def parse(url: str) -> sa.URL:
    """The URL, or ConfigurationError saying what a usable one looks like."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise ConfigurationError(_usable("it cannot be read as a URL")) from None
    name = parsed.drivername.split("+")[0]
    if name == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ConfigurationError(_usable("it names no SQLite file"))
        return parsed.set(drivername="sqlite")
    if name in POSTGRES_NAMES:
        return parsed.set(drivername="postgresql")
    raise ConfigurationError(_usable(f"{name} is not a database we know"))


def sqlite_path(url: sa.URL) -> Path:
    """The file of a SQLite URL."""
    return Path(str(url.database))


def pg8000_arguments(url: sa.URL) -> dict[str, Any]:
    """Arguments for pg8000's `connect`: a Unix socket folder as `?host=/folder`, TLS as `?sslmode=`."""
    arguments: dict[str, Any] = {
        "user": url.username or "postgres",
        "password": url.password or None,
        "database": url.database or url.username or "postgres",
        "application_name": "wayfinder",
    }
    host, port = _host(url), url.port or 5432
    if host.startswith("/"):
        arguments["unix_sock"] = f"{host}/.s.PGSQL.{port}"
    else:
        arguments.update(host=host, port=port, tcp_keepalive=True)
    context = _tls(url)
    return {**arguments, "ssl_context": context} if context else arguments


def asyncpg_arguments(url: sa.URL) -> dict[str, Any]:
    """Arguments for asyncpg's `create_pool`, meaning the same as `pg8000_arguments`."""
    return {
        "user": url.username or "postgres",
        "password": url.password or None,
        "database": url.database or url.username or "postgres",
        "host": _host(url),
        "port": url.port or 5432,
        "ssl": _tls(url) or False,
        "server_settings": {"application_name": "wayfinder"},
    }


def _host(url: sa.URL) -> str:
    query = url.query.get("host")
    return str(query) if query else url.host or "127.0.0.1"


def _tls(url: sa.URL) -> ssl.SSLContext | None:
    """A TLS context, or None for modes that do not insist on TLS; `require` encrypts without naming the server."""
    mode = str(url.query.get("sslmode", "prefer"))
    if mode not in SSL_MODES:
        raise ConfigurationError(f"sslmode in CDP_STORE_URL is not one of {', '.join(SSL_MODES)}.")
    if mode in ("disable", "allow", "prefer"):
        return None
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


def _usable(reason: str) -> str:
    return (
        f"CDP_STORE_URL is not usable: {reason}; use sqlite:////folder/store.sqlite "
        "or postgresql://user:password@host/database."
    )
