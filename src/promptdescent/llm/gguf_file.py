"""GGUF files on this machine: models, and adapters of them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from promptdescent.errors import ConfigError

_MAGIC = b"GGUF"


def check_gguf(path: Path, *, wanted: str) -> None:
    """Raise :class:`ConfigError`, with what is ``wanted`` instead, for a file that is missing or is no GGUF."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); {wanted}") from error
    if magic != _MAGIC:
        raise ConfigError(f"{path} is no GGUF file; {wanted}")


def sha256_of(path: Path) -> str:
    """Digest of the file as it is now, in hexadecimal; the file is read again only if it has changed."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _digest(path: Path, size: int, modified: int) -> str:
    """Size and time of change are there so that a changed file is read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
