"""A job with all that a machine needs which does not have its files.

Files of rows travel as they are, each once, and are written to a folder of the worker. Texts and recipes from files
travel in the job, as what the files say. Python code does not travel: a metric ``module:function`` and parts of other
packages have to be installed where the job is carried out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from promptdescent.config import PATHS, TEXTS, flag
from promptdescent.errors import ConfigError, DataError
from promptdescent.experiments.worker import Job
from promptdescent.input_files import read_mixture, read_text


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A job, and which of its settings name files."""

    job: Job
    """Without what only this machine has."""
    files: Mapping[str, str]
    """SHA-256 of the file that a setting names, by setting."""
    names: Mapping[str, str]
    """The file's name without its folder, by setting: its ending says how it is read."""
    sources: Mapping[str, str]
    """Where the files lie on the machine that sends them, by digest."""

    @classmethod
    def of(cls, job: Job) -> Parcel:
        """The job with its files. Raises :class:`~promptdescent.errors.InputError` for one that cannot be read, and for
        a text in a file that would be taken for a file itself.
        """
        spec = {name: value for name, value in job.spec.items() if name != "ray"}
        for name in TEXTS:
            given = spec.get(name)
            if isinstance(given, str) and given.startswith("@"):
                spec[name] = read_mixture(Path(given[1:])) if name == "recipe" else _text(name, given)
        paths = {name: Path(spec[name]) for name in PATHS if spec.get(name) is not None}
        return cls(
            job=replace(job, spec={**spec, **{name: path.name for name, path in paths.items()}}),
            files={name: digest(path) for name, path in paths.items()},
            names={name: path.name for name, path in paths.items()},
            sources={digest(path): str(path) for path in paths.values()},
        )

    def read(self, sha256: str) -> bytes:
        """One of its files, on the machine that sends it."""
        return Path(self.sources[sha256]).read_bytes()

    @property
    def digests(self) -> tuple[str, ...]:
        """Of its files, each once, in a set order."""
        return tuple(sorted(set(self.files.values())))

    def to_line(self) -> str:
        """As one line."""
        return json.dumps({"job": self.job.to_line(), "files": dict(self.files), "names": dict(self.names)})

    @classmethod
    def from_line(cls, line: str) -> Parcel:
        """What :meth:`to_line` wrote."""
        data = json.loads(line)
        return cls(job=Job(**json.loads(data["job"])), files=data["files"], names=data["names"], sources={})

    def unpacked(self, contents: Sequence[bytes], folder: Path) -> Job:
        """The job with its files below ``folder``. ``contents``: those of the files, in the order of ``digests``."""
        places = dict(zip(self.digests, contents, strict=True))
        located = {}
        for name, sha256 in self.files.items():
            path = folder / sha256[:16] / self.names[name]
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(places[sha256])
            located[name] = str(path)
        return replace(self.job, spec={**self.job.spec, **located})


def _text(name: str, given: str) -> str:
    text = read_text(given, flag=flag(name))
    if text.startswith("@"):
        raise ConfigError(f"{flag(name)} {given}: on a Ray cluster a text in a file may not begin with @")
    return text


def digest(path: Path) -> str:
    """SHA-256 of a file. Raises :class:`DataError` if it cannot be read."""
    try:
        status = path.stat()
        return _digest(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror}") from error


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, modified: int) -> str:
    """Size and time of change are there so that a changed file is read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
