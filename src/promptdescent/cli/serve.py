"""The command ``serve``: the runs of a store in a browser."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from importlib.util import find_spec
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import DEFAULT_STORE, StoreFlag
from promptdescent.dashboard.server import DashboardServer, bound
from promptdescent.dashboard.shelf import Shelf
from promptdescent.errors import ConfigError

_NEEDED = ("fastapi", "uvicorn", "jinja2", "altair")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what a user may give, and not what is listened on
"""Addresses that stand for all of this machine's, so that none of them can be opened elsewhere."""
_SHORTEST = 16
"""Characters of a token that is not guessed."""


def serve(
    *,
    store: StoreFlag = DEFAULT_STORE,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; one of another machine needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8765,
    token_env: Annotated[
        str,
        typer.Option(
            "--token-env",
            metavar="NAME",
            help="Environment variable that holds the token; without it one is made for addresses beyond this machine.",
        ),
    ] = "",
) -> None:
    """Show the runs of a store in a browser, live."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"serve needs {' and '.join(missing)}: pip install 'promptdescent[web]'")
    token = _token(host, token_env)
    listening = bound(host, port)
    everywhere = host in _EVERYWHERE
    shown = socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/" + (f"?token={token}" if token and not token_env else "")

    def ready() -> None:
        output.result(f"The runs of {store}: {address}")
        if Shelf(store).empty:
            output.message(f"There is no store in {store} yet: the pages show it as soon as there is one.")
        if everywhere:
            output.message(f"Where {shown} is not known by that name, put this machine's address there.")
        if not _is_loopback(host):
            output.message("The connection is not encrypted: use it in a network that you trust.")
        if token_env:
            output.message(f"Add ?token= and the value of {token_env} to the address, once.")
        output.message("Ctrl-C ends it; runs go on without it.")

    DashboardServer(store, token=token, ready=ready).run(listening)


def _token(host: str, variable: str) -> str | None:
    """The token that pages ask for; None where only this machine can reach them and none is wanted."""
    if variable:
        token = os.environ.get(variable, "").strip()
        if not token:
            raise ConfigError(f"--token-env {variable}: the variable is not set")
        if len(token) < _SHORTEST:
            raise ConfigError(f"--token-env {variable}: the token is shorter than {_SHORTEST} characters")
        return token
    return None if _is_loopback(host) else secrets.token_urlsafe(24)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
