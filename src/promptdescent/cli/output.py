"""Results go to stdout, everything else to stderr. A reader that has gone away ends neither a run nor its exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import TextIO

from promptdescent.errors import ConfigError
from promptdescent.report.text import printable


class ExitCode(IntEnum):
    """What a command says to the shell."""

    DONE = 0
    """Finished; a run: with a verdict, whatever it says."""
    INPUT = 2
    """What was given cannot be used. Typer's usage errors are 2 too."""
    FAILED = 3
    """A run ended by failures or without a verdict."""
    NO_GAIN = 4
    """With --require-gain: no gain was shown."""
    INTERRUPTED = 130


def result(text: str) -> None:
    """Write a result, which must be printable already."""
    _write(sys.stdout, text)


def exactly(text: str) -> None:
    """Write a text as it is, in UTF-8 and without a line end of ours, for a pipe or a file."""
    _write_bytes(sys.stdout, text.encode())


def write_file(path: Path, content: bytes, *, flag: str, force: bool) -> None:
    """Write a file that ``flag`` names; one that exists is written over with ``force`` alone.

    Raises :class:`~promptdescent.errors.ConfigError`.
    """
    if path.is_dir():
        raise ConfigError(f"{flag} {path} is a folder: name a file in it")
    try:
        with path.open("wb" if force else "xb") as opened:
            opened.write(content)
    except FileExistsError:
        raise ConfigError(f"{flag} {path}: the file exists; give another one, or --force to write over it") from None
    except OSError as error:
        raise ConfigError(f"{flag} {path}: the file cannot be written: {error.strerror}") from error


def message(text: str) -> None:
    """Write a line for the user, with nothing in it that could act on a terminal."""
    _write(sys.stderr, printable(text))


def dry_run_over() -> None:
    """Say at the end of a dry run that it was one."""
    message("This was a dry run: nothing was sent and nothing was recorded.")


def error(text: str) -> None:
    """Say what went wrong."""
    message(f"error: {text}")


def tolerate_any_encoding() -> None:
    """Write what the terminal's encoding lacks as an escape, rather than fail at the end of a run."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # tests and notebooks put in streams of their own
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _write(stream: TextIO, text: str) -> None:
    with _unless_nobody_reads(stream):
        print(text, file=stream, flush=True)


def _write_bytes(stream: TextIO, data: bytes) -> None:
    with _unless_nobody_reads(stream):
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()


@contextlib.contextmanager
def _unless_nobody_reads(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # What is still in the buffer would fail again when the interpreter flushes it at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
