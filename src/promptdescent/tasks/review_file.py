"""Which rows a reviewed file leaves out: the CSV that ``promptdescent rows --output`` writes, corrected by hand."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from promptdescent.errors import ConfigError, nearest

_ANSWERS = {"yes": True, "no": False, "": False}


def read_left_out(path: Path) -> tuple[str, ...]:
    """The ids of the rows that the file leaves out, each once, in its order.

    Raises :class:`ConfigError` for a file that cannot be read, lacks a column, has a line that ends before them or says
    neither yes nor no.
    """
    lines = _lines(path)
    header = [name.strip().lower() for name in lines[0][1]] if lines else []
    for name in ("id", "leave_out"):
        if name not in header:
            raise ConfigError(
                f"--leave-out {path}: there is no column {name}; give a CSV file with the columns id and leave_out, as "
                "`promptdescent rows RUN --output review.csv` writes it"
            )
    ids, answers = header.index("id"), header.index("leave_out")
    found: dict[str, None] = {}
    for number, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        for name, place in (("id", ids), ("leave_out", answers)):
            if len(cells) <= place:
                raise ConfigError(
                    f"--leave-out {path}, line {number}: there is no {name}, only {len(cells)} of {len(header)} cells; "
                    "write the missing cells, with yes or no under leave_out"
                )
        said = cells[answers].strip().lower()
        if said not in _ANSWERS:
            known = nearest(said, [answer for answer in _ANSWERS if answer])
            raise ConfigError(f"--leave-out {path}, line {number}: leave_out cannot be {said!r}; {known}")
        if _ANSWERS[said]:
            found[cells[ids].strip()] = None
    return tuple(found)


def _lines(path: Path) -> Sequence[tuple[int, Sequence[str]]]:
    """Cells, with the number of the file's line that they begin on; a cell may have several lines."""
    found: list[tuple[int, Sequence[str]]] = []
    begins = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)  # not strict, an open quotation mark would swallow lines unseen
            for cells in reader:
                found.append((begins, cells))
                begins = reader.line_num + 1
        return found
    except FileNotFoundError:
        raise ConfigError(f"--leave-out {path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"--leave-out {path}: not UTF-8 text (byte {error.start + 1}); save the file as CSV in UTF-8"
        ) from None
    except csv.Error as error:
        raise ConfigError(
            f"--leave-out {path}, line {begins}: no CSV ({error}); look there for a quotation mark that is not closed, "
            "and write one within a cell twice"
        ) from error
    except OSError as error:
        raise ConfigError(f"--leave-out {path}: the file cannot be read: {error.strerror}") from error
