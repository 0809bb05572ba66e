"""A Ray cluster: one of this machine alone, made for the purpose, or one that runs already.

Ray has one connection per process: whoever asks for the same cluster shares it, and the last one to close it ends it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError

HERE, RUNNING = "local", "auto"
"""A cluster of this machine, made for the purpose; the one that this machine is part of."""

LONGEST_FOLDER = 40
"""Characters of a folder for Ray's sockets, whose whole paths may have 107."""

STARTS = 2
"""Tries to make a cluster of this machine: Ray gives its processes half a minute, which is short on a busy one."""

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Nothing is reported to Ray's makers, and no warning said about accelerators. What the user has set stays."""


def check_address(address: str) -> None:
    """Raise :class:`ConfigError` unless the address is ``local``, ``auto`` or ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    if address in (HERE, RUNNING) or (host and "/" not in host and port.isdigit()):
        return
    raise ConfigError(
        f"--ray cannot be {address!r}: give {HERE} for a cluster of this machine, {RUNNING} for the one that this "
        "machine is part of, or HOST:PORT of its head"
    )


@dataclass
class _Connection:
    """The one connection of this process."""

    address: str
    users: int
    ours: bool
    """Whether it was made here, and so is closed here."""
    folder: str | None


_LOCK = threading.Lock()
_OPEN: list[_Connection] = []
"""At most one."""


class Cluster:
    """A connection to a cluster, from :func:`connect`."""

    def __init__(self, connection: _Connection) -> None:
        self._connection: _Connection | None = connection
        self.is_local = connection.address == HERE

    @property
    def processors(self) -> int:
        """How many the machines have by now that are part of the cluster; at least 1."""
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 0)))  # type: ignore[no-untyped-call]

    @property
    def free_processors(self) -> int:
        """Those of them that nothing is running on; at least 1."""
        import ray

        return max(1, int(ray.available_resources().get("CPU", 0)))  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Let go of the cluster; one that was made here ends when nobody uses it any more. May be called again."""
        with _LOCK:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            connection.users -= 1
            if connection.users == 0:
                _OPEN.remove(connection)
                _disconnect(connection)


def check_installed() -> None:
    """Raise :class:`ConfigError` if Ray is not installed. It is not loaded."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError('--ray needs the package ray: pip install "promptdescent[ray]"')


def connect(address: str, *, processors: int | None = None) -> Cluster:
    """The cluster at ``address``; ``processors``: how many one of this machine has, by default as many as the machine.

    Raises :class:`ConfigError` if Ray is not installed, nothing answers there, or this process uses another cluster.
    """
    check_address(address)
    check_installed()
    ray = _imported(address)
    with _LOCK:
        if _OPEN and _OPEN[0].address != address:
            raise ConfigError(f"--ray {address}: this process uses the cluster {_OPEN[0].address} already")
        if not _OPEN:
            ours = not ray.is_initialized()
            folder = _initialize(ray, address, processors=processors) if ours else None
            _OPEN.append(_Connection(address=address, users=0, ours=ours, folder=folder))
        _OPEN[0].users += 1
        return Cluster(_OPEN[0])


def _imported(address: str) -> Any:
    """The package, told to be quiet before it is loaded, which is when it reads such settings."""
    if "ray" not in sys.modules:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        if address == HERE and not any(name.startswith("RAY_AUTH_") for name in os.environ):
            # A token of its own, so that nobody else who reaches the ports of the cluster can use it.
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    import ray

    return ray


def _initialize(ray: Any, address: str, *, processors: int | None) -> str | None:
    """Connect, and return the folder of a cluster that is made for that."""
    error: Exception | None = None
    for _ in range(STARTS if address == HERE else 1):
        settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
        folder = None
        if address == HERE:
            folder = _short_folder()
            settings |= {"num_cpus": processors, "include_dashboard": False, "_temp_dir": folder}
        try:
            with _own_signal_handlers():
                ray.init(**settings)
            return folder
        # Ray raises Exception itself where a machine was too busy. What was started by then ends with this process.
        except Exception as failed:
            error = failed
            if folder is not None:
                atexit.register(shutil.rmtree, folder, ignore_errors=True)
    said = " ".join(str(error).split())[:300]
    raise ConfigError(
        f"--ray {address}: no Ray cluster could be used ({said}). `ray start` makes this machine part of one, and "
        f"--ray {HERE} uses this machine alone"
    ) from error


@contextlib.contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Ray puts a handler of its own in place of the one for SIGTERM, which would end a run without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _short_folder() -> str:
    usual = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="pd-ray-", dir=usual if len(usual) <= LONGEST_FOLDER else "/tmp")  # noqa: S108


def _disconnect(connection: _Connection) -> None:
    import ray

    if connection.ours:
        with _own_signal_handlers():
            ray.shutdown()
    if connection.folder is not None and Path(connection.folder).is_dir():
        shutil.rmtree(connection.folder, ignore_errors=True)
