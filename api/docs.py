"""The documentation at `/docs`: one page made from the OpenAPI document, without scripts or anything from elsewhere.

The usual viewers load their scripts from a content network, which a server without internet cannot; `/openapi.json`
serves them and every code generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from cdp.store.keys import SCOPES

POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, .address { font-family: ui-monospace, monospace; font-size: .93em }
details { border: 1px solid #8884; border-radius: .5rem; margin: .5rem 0; padding: .5rem .9rem }
summary { cursor: pointer } .method { display: inline-block; min-width: 4.2rem; font-weight: 700; color: #2a6fb0 }
table { border-collapse: collapse; margin: .4rem 0 }
td { text-align: left; vertical-align: top; padding: .15rem 1rem .15rem 0 }
.quiet { opacity: .7 }
"""


def install(app: FastAPI) -> None:
    """Serve `/docs`; the page is made on first request."""
    page: list[str] = []

    async def documentation() -> HTMLResponse:
        if not page:
            page.append(render(app.openapi()))
        return HTMLResponse(page[0], headers={"Content-Security-Policy": POLICY})

    app.add_api_route("/docs", documentation, include_in_schema=False, response_class=HTMLResponse)


def render(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    info = document["info"]
    title, version = escape(info["title"]), escape(info["version"])
    return "".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title} API</title>",
            "<meta name=viewport content='width=device-width'>",
            f"<style>{_STYLE}</style><h1>{title} <small class=quiet>{version}</small></h1>",
            _paragraphs(info.get("description", "")),
            "<p>Machine-readable: <a href=/openapi.json>openapi.json</a> (OpenAPI 3.1).</p>",
            "<h2>Scopes</h2>",
            _table((f"<code>{escape(scope)}</code>", escape(meaning)) for scope, meaning in SCOPES.items()),
            *_operations(document),
        ]
    )


def _operations(document: dict[str, Any]) -> Iterator[str]:
    tag = None
    for address, methods in document["paths"].items():
        for method, operation in methods.items():
            first = operation.get("tags", ["other"])[0]
            if first != tag:
                tag = first
                yield f"<h2>{escape(tag.title())}</h2>"
            yield _operation(address, method, operation, document)


def _operation(address: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    parameters = [
        (f"<code>{escape(p['name'])}</code>", escape(p["in"]), escape(p.get("description", "")))
        for p in operation.get("parameters", [])
    ]
    body = [
        (f"<code>{escape(name)}</code>", "body", escape(field.get("description", "")))
        for name, field in _body_fields(operation, document)
    ]
    answers = [(f"<code>{status}</code>", escape(a["description"])) for status, a in operation["responses"].items()]
    return "".join(
        [
            f"<details><summary><span class=method>{method.upper()}</span> ",
            f"<span class=address>{escape(address)}</span></summary>",
            _paragraphs(operation.get("description", "")),
            f"<p>Scope: <code>{escape(', '.join(_scopes(operation)) or 'none')}</code></p>",
            _table([*parameters, *body]),
            "<p class=quiet>Answers</p>",
            _table(answers),
            "</details>",
        ]
    )


def _scopes(operation: dict[str, Any]) -> list[str]:
    return sorted({scope for way in operation.get("security", []) for scopes in way.values() for scope in scopes})


def _body_fields(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    yield from document.get("components", {}).get("schemas", {}).get(name, {}).get("properties", {}).items()


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.strip().split("\n\n") if part)


def _table(rows: Any) -> str:
    cells = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table>{''.join(cells)}</table>" if cells else ""
