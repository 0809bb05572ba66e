"""Environments for other systems: one virtual environment per family, since their requirements exclude each other."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptdescent.errors import ConfigError, nearest
from promptdescent.report.tables import count

DEFAULT_PEERS = Path(".promptdescent") / "peers"
STAMP, LOG = "installed.json", "pip.log"


@dataclass(frozen=True, kw_only=True)
class Family:
    """Systems that share an environment."""

    requirements: tuple[str, ...]
    """Pinned, as pip takes them; the versions that the scripts are written for."""
    newest_python: tuple[int, int]
    """The last version of Python that they say they run on."""


def _pins(family: str) -> tuple[str, ...]:
    """All packages of a family's environment with their versions, as they were when its script was tried."""
    lines = (Path(__file__).parent / "peers" / f"requirements-{family}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


INSTALLABLE: Mapping[str, Family] = {
    "dspy": Family(requirements=_pins("dspy"), newest_python=(3, 14)),
    "gepa": Family(requirements=_pins("gepa"), newest_python=(3, 14)),
    "promptolution": Family(requirements=_pins("promptolution"), newest_python=(3, 12)),
}


def environment_python(peers: Path, family: str) -> Path:
    """The interpreter of a family's environment below ``peers``; it may not be there."""
    return (peers / family / "bin" / "python").absolute()


def installed(peers: Path, family: str) -> tuple[str, ...]:
    """What a family's environment was stamped with, such as ``gepa==0.1.4``; empty if it is not whole."""
    try:
        content = json.loads((peers / family / STAMP).read_text(encoding="utf-8"))
        return tuple(str(requirement) for requirement in content["requirements"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def version_of(peers: Path, family: str) -> str:
    """The version of the system that gives a family its name, such as ``gepa==0.1.4``; empty if it is not there."""
    return next((pin for pin in installed(peers, family) if pin.partition("==")[0] == family), "")


def install_command(family: str, peers: Path) -> str:
    """What a user types to install a family."""
    return f"promptdescent install-peers {family} --into {shlex.quote(str(peers))}"


def install(
    names: Sequence[str],
    peers: Path,
    *,
    say: Callable[[str], None],
    families: Mapping[str, Family] = INSTALLABLE,
) -> None:
    """Make the environments of these families, or of all; one that is whole already is left as it is.

    Raises :class:`ConfigError` for an unknown name, before anything is made, and for what cannot be installed, with
    the path of pip's log.
    """
    for name in names:
        if name not in families:
            raise ConfigError(f"install-peers knows no {name!r}: {nearest(name, families)}")
    if importlib.util.find_spec("pip") is None:
        raise ConfigError(f"install-peers needs pip: {shlex.quote(sys.executable)} -m ensurepip adds it")
    for name in names or tuple(families):
        family, folder = families[name], peers / name
        if installed(peers, name) == family.requirements and environment_python(peers, name).exists():
            say(f"{name}: installed already in {folder}")
            continue
        if sys.version_info[:2] > family.newest_python:
            wanted = ".".join(map(str, family.newest_python))
            raise ConfigError(f"{name} needs Python {wanted} or older: run promptdescent with such a one to install it")
        packages = count(len(family.requirements), "package")
        say(f"{name}: installing {packages} into {folder}; this may take minutes")
        _install(name, family, folder)
        say(f"{name}: installed")


def _install(name: str, family: Family, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STAMP).unlink(missing_ok=True)
    log = folder / LOG
    python = environment_python(folder.parent, name)
    try:
        if not python.exists():
            venv.create(folder)
    except OSError as error:
        raise ConfigError(f"{name}: no virtual environment could be made in {folder}: {error}") from error
    # With this Python's pip, since a copy of it in every environment takes longer to make than all the rest.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--no-input", "--disable-pip-version-check"]
    command = [*pip, "install", *family.requirements]
    with log.open("wb") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    if done.returncode:
        raise ConfigError(f"{name} could not be installed: {_complaint(log)}; all that pip said is in {log}")
    stamp = {"requirements": list(family.requirements), "python": ".".join(map(str, sys.version_info[:3]))}
    (folder / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")


def _complaint(log: Path) -> str:
    """The first error in pip's log, or else its last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines[-1:] or ["pip said nothing"])[0][:300]
