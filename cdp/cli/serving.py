"""Commands that serve: the HTTP API, the Dagster page, API keys."""

from __future__ import annotations

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, note, say, table
from cdp.cli.state import load_settings

keys = typer.Typer(help="API keys and their scopes.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's root commands."""
    app.command("serve")(serve)
    app.command("dagster")(dagster)


def serve(
    host: str | None = typer.Option(None, help="Address to listen on."),
    port: int | None = typer.Option(None, help="Port to listen on."),
) -> None:
    """Serve the HTTP API on what was published last."""
    from api.serve import serve as start

    overrides = {key: value for key, value in (("api_host", host), ("api_port", port)) if value is not None}
    settings = load_settings(**overrides)
    address = f"http://{settings.api_host}:{settings.api_port}/docs"
    start(settings, lambda: note(f"Wayfinder listens on {address} (make a key with `cdp keys create`)"), note)


def dagster() -> None:
    """Open the Dagster page with the asset graph, runs, schedule and sensor."""
    from pipelines.page import serve_page

    settings = load_settings()
    note(f"The Dagster page is at http://127.0.0.1:{settings.dagster_port}")
    serve_page(settings)


@keys.command("create")
def keys_create(
    name: str = typer.Argument(..., help="What the key is for."),
    scopes: list[str] = typer.Option(..., "--scope", help="A scope; repeat for several."),
    as_json: bool = Json,
) -> None:
    """Create an API key; its secret is shown this once."""
    from cdp.store import keys as store_keys
    from cdp.store import open_store

    with open_store(load_settings().database_url) as store:
        text = store_keys.create(store, name, scopes)
    if as_json:
        emit_json({"name": name, "scopes": scopes, "key": text})
        return
    say(text)
    note("Keep it now: it is not stored and cannot be shown again.")


@keys.command("list")
def keys_list(as_json: bool = Json) -> None:
    """All API keys, without their secrets."""
    from cdp.store import keys as store_keys
    from cdp.store import open_store

    with open_store(load_settings().database_url) as store:
        found = store_keys.list_keys(store)
    if as_json:
        emit_json(found)
        return
    table(
        ("id", "name", "scopes", "created", "revoked"),
        [(k.id, k.name, " ".join(k.scopes), k.created_at, k.revoked_at) for k in found],
    )


@keys.command("revoke")
def keys_revoke(key_id: str = typer.Argument(..., help="The key's id.")) -> None:
    """Revoke an API key; its next call fails."""
    from cdp.store import keys as store_keys
    from cdp.store import open_store

    with open_store(load_settings().database_url) as store:
        store_keys.revoke(store, key_id)
    say(f"Key {key_id} is revoked.")
