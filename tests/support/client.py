"""Calls an app in this process: its start and end included, errors as they would go over the wire."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import httpx
from fastapi import FastAPI


class Client:
    """A synchronous face of an app; `address` is where its callers seem to come from."""

    def __init__(self, app: FastAPI, *, key: str | None = None, address: str = "203.0.113.7") -> None:
        self.app = app
        self._key = key
        self._address = address
        self._runner: asyncio.Runner | None = None
        self._parent: Client | None = None

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._runner.run(self._lifespan.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def by(self, key: str | None, *, address: str | None = None) -> Client:
        """The same app, called with another key or from another address."""
        other = Client(self.app, key=key, address=address or self._address)
        other._runner = self._runner
        return other

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request and its whole answer."""
        headers = {**({"Authorization": f"Bearer {self._key}"} if self._key else {}), **more.pop("headers", {})}

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=True, client=(self._address, 50000))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, url, headers=headers, **more)

        assert self._runner is not None
        return self._runner.run(call())

    def get(self, url: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", url, **more)

    def run(self, coroutine: Any) -> Any:
        """Run something in the app's event loop."""
        assert self._runner is not None
        return self._runner.run(coroutine)
