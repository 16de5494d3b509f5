"""A receiver of webhooks that behaves as badly as real ones: it answers what the test tells it, and remembers."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.certificates import Pair


@dataclass
class Received:
    """One request: headers by lower-case name, and the body as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came, and what is answered: behaviours are used up one by one, afterwards everything is taken."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    behaviours: list[str] = field(default_factory=list)
    always: str = "ok"
    lock: threading.Lock = field(default_factory=threading.Lock)
    # Ends every silence: whoever waits gets no answer.
    over: threading.Event = field(default_factory=threading.Event)

    def ids(self) -> list[str]:
        """Message ids in the order of requests."""
        return [one.headers["webhook-id"] for one in self.received]

    def next(self) -> str:
        """What to do with this request."""
        with self.lock:
            return self.behaviours.pop(0) if self.behaviours else self.always


@contextmanager
def receiving(pair: Pair | None = None) -> Iterator[Receiver]:
    """A receiver on a port of its own, over TLS as `localhost` when it has a certificate; ended when left."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with state.lock:
                state.received.append(Received({k.lower(): v for k, v in self.headers.items()}, body))
            with suppress(OSError):
                _behave(self, state)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: the test looks at what was received."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        state.url = f"https://localhost:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()


def _behave(handler: BaseHTTPRequestHandler, state: Receiver) -> None:
    name, _, value = state.next().partition(":")
    if name == "silence":
        state.over.wait(float(value))
        handler.close_connection = True
    else:
        _BEHAVIOURS[name](handler, value)


def _answer(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _broken(handler: BaseHTTPRequestHandler, first: bytes) -> None:
    handler.wfile.write(first)
    handler.wfile.flush()
    handler.connection.close()


def _drip(handler: BaseHTTPRequestHandler, seconds: float) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(int(seconds * 20)):
        handler.wfile.write(b"X-Slow: 1\r\n")
        handler.wfile.flush()
        time.sleep(0.05)


def _huge(handler: BaseHTTPRequestHandler, size: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(size))
    handler.end_headers()
    block = b"x" * 65536
    for _ in range(size // len(block)):
        handler.wfile.write(block)


def _pour(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


_BEHAVIOURS: dict[str, Callable[[BaseHTTPRequestHandler, str], object]] = {
    "ok": lambda handler, _: _answer(handler, 204),
    "status": lambda handler, value: _answer(handler, int(value)),
    "wait": lambda handler, value: _answer(handler, 503, {"Retry-After": value}),
    "redirect": lambda handler, value: _answer(handler, 302, {"Location": value}),
    "reset": lambda handler, _: handler.connection.close(),
    "half": lambda handler, _: _broken(handler, b"HTTP/1.1 20"),
    "nonsense": lambda handler, _: _broken(handler, b"this is no HTTP at all\r\n\r\n"),
    "drip": lambda handler, value: _drip(handler, float(value)),
    "pour": lambda handler, _: _pour(handler),
    "huge": lambda handler, value: _huge(handler, int(value)),
}
