"""The dashboard as a server that ends at once when it is told to, whoever watches."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from promptdescent.dashboard.app import create_app
from promptdescent.dashboard.live import Live
from promptdescent.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

_GRACE = 3
"""Seconds for answers that are under way when the server is told to end."""


def bound(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 takes one that is free. Raises :class:`~promptdescent.errors.ConfigError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ConfigError(f"--host {host} is no address of this machine ({error.strerror})") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"port {port} of {host} cannot be used ({reason}): give another one with --port") from error
    return listening


class DashboardServer:
    """Serves the dashboard over one store."""

    def __init__(self, store: str, *, token: str | None, ready: Callable[[], None]) -> None:
        """``ready`` is called when it answers."""
        app = create_app(store, token=token)
        self.live: Live = app.state.live
        """What is watched."""
        self._warm_up: Callable[[], None] = app.state.warm_up
        self._server = _server(app, self.live, ready)

    def run(self, listening: socket.socket) -> None:
        """Serve until SIGINT, SIGTERM or :meth:`stop`."""
        with contextlib.suppress(KeyboardInterrupt):  # raised once more when everything has ended
            self._warm_up()
            self._server.run(sockets=[listening])

    def stop(self) -> None:
        """End it, from another thread."""
        self._server.should_exit = True


def _server(app: FastAPI, live: Live, ready: Callable[[], None]) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # Streams of events never end by themselves, and the server would wait for them.
            live.close()
            await super().shutdown(sockets)

    # Without a log of requests: an address may hold the token.
    config = uvicorn.Config(
        app,
        access_log=False,
        lifespan="on",
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        ws="none",
    )
    return Server(config)
