"""Which rows a reviewed file leaves out: the CSV that ``promptdescent rows --output`` writes, corrected by hand."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from promptdescent.errors import ConfigError, nearest

_ANSWERS = {"yes": True, "no": False, "": False}


def read_left_out(path: Path) -> tuple[str, ...]:
    """The ids of the rows that the file leaves out, each once, in its order.

    Raises :class:`ConfigError` for a file that cannot be read, lacks a column or says neither yes nor no.
    """
    lines = _lines(path)
    header = [name.strip().lower() for name in lines[0]] if lines else []
    for name in ("id", "leave_out"):
        if name not in header:
            raise ConfigError(
                f"--leave-out {path}: there is no column {name}; give a CSV file with the columns id and leave_out, as "
                "`promptdescent rows RUN --output review.csv` writes it"
            )
    ids, answers = header.index("id"), header.index("leave_out")
    found: dict[str, None] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        said = line[answers].strip().lower() if len(line) > answers else ""
        if said not in _ANSWERS:
            known = nearest(said, [answer for answer in _ANSWERS if answer])
            raise ConfigError(f"--leave-out {path}, row {number}: leave_out cannot be {said!r}; {known}")
        if _ANSWERS[said]:
            found[line[ids].strip() if len(line) > ids else ""] = None
    return tuple(found)


def _lines(path: Path) -> Sequence[Sequence[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            return list(csv.reader(opened))
    except FileNotFoundError:
        raise ConfigError(f"--leave-out {path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"--leave-out {path}: not UTF-8 text (byte {error.start + 1}); save the file as CSV in UTF-8"
        ) from None
    except csv.Error as error:
        raise ConfigError(f"--leave-out {path}: no CSV file: {error}") from error
    except OSError as error:
        raise ConfigError(f"--leave-out {path}: the file cannot be read: {error.strerror}") from error
