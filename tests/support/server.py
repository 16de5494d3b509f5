"""The HTTP server as a process of its own, the way people start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 60.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[str]


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(home: Path, port: int, **settings: str) -> subprocess.Popen[str]:
    """`cdp serve` over a home."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDP_")}
    environment = {**clean, "CDP_HOME": str(home), "CDP_API_PORT": str(port), **settings}
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "cdp"), "serve"],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Server]:
    """A server that answers; ended when left."""
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", start(home, port, **settings))
    try:
        _wait(server)
        yield server
    finally:
        server.process.terminate()
        server.process.communicate(timeout=30)


def _wait(server: Server) -> None:
    pause = threading.Event()
    for _ in range(int(SECONDS_TO_START / 0.1)):
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended: {server.process.communicate()[1]}")
        try:
            httpx.get(f"{server.url}/health/live", timeout=5)
        except httpx.TransportError:
            pause.wait(0.1)
        else:
            return
    raise AssertionError("the server did not answer in time")
