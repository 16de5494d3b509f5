"""Starts the HTTP server on what the settings say.

One process: on the two cores this is made for, the pipeline or the database has the other one. What can go wrong before
the first request is told as one sentence.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from api.app import create_app
from cdp.clock import wall_now
from cdp.errors import ConflictError
from cdp.settings import Settings
from cdp.store import open_store
from privacy import policy
from privacy.opendsr import certificate
from privacy.restored import require_replayed


def serve(
    settings: Settings,
    listening: Callable[[], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; `listening` is called once requests are taken, `warn` with what will not be served.

    Raises ConflictError when the address is taken or erasures must be replayed first, ConfigurationError for a setting
    that the app would stumble over while it starts.
    """
    import uvicorn

    policy.load(settings)
    signer = certificate.load(settings.opendsr_certificate, settings.opendsr_key)
    with open_store(settings.database_url) as store, _listening(settings) as listener:
        require_replayed(settings.privacy, store)
        config = uvicorn.Config(
            create_app(settings, store=store),
            # Paths hold profile ids, and the framework's own log lines would quote them.
            access_log=False,
            log_level=settings.log_level.lower(),
            server_header=False,
            # Who calls decides whether metrics are open, so nobody may say it in a header.
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=10,
        )
        if listening is not None:
            listening()
        # All else is served without it, so that a certificate that ended stops OpenDSR only.
        if warn is not None and signer is not None and (advice := signer.advice(wall_now())) is not None:
            warn(advice)
        uvicorn.Server(config).run(sockets=[listener])


def _listening(settings: Settings) -> socket.socket:
    address = (settings.api_host, settings.api_port)
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise ConflictError(
            f"{settings.api_host}:{settings.api_port} cannot be listened on ({_why(error)}); choose another with "
            "`--host` and `--port` or the settings CDP_API_HOST and CDP_API_PORT."
        ) from None


def _why(error: OSError) -> str:
    # The library adds the address to the system's words, which the sentence names already.
    return (error.strerror or type(error).__name__).partition(" (while attempting")[0]
