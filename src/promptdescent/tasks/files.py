"""Files of rows: CSV, TSV, JSONL, JSON and, with the extra ``parquet``, Parquet."""

from __future__ import annotations

import csv
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from promptdescent.errors import DataError
from promptdescent.tasks.parquet import parquet_rows
from promptdescent.tasks.rows import HeldRows, NotText, Row, Rows, at_places
from promptdescent.tasks.text_file import TextFile

__all__ = ["SUFFIXES", "NotText", "Row", "Rows", "open_rows", "other_separator", "read_rows"]

LONGEST_FIELD = 2**31 - 1
"""Characters in one CSV field; the csv module's own limit of 131,072 is below a long document."""


def open_rows(path: Path) -> Rows:
    """The rows of a file, at least one, read as a stream; its suffix says how to read it.

    CSV and TSV have a header; fields may hold quoted line breaks. JSONL has one object per line. JSON is a list of
    objects, or an object with exactly one value that is such a list, as BIG-Bench Hard's files are: the one format that
    is held in memory whole. All of these are UTF-8, with or without a byte order mark. Of Parquet, columns of plain
    values and of lists of them are read.

    Raises :class:`DataError`, naming the file and where possible the line; for what stands in the rows, when they are
    read.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name one file of rows ({', '.join(SUFFIXES)})")
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: the suffix {path.suffix!r} is not known; use one of {', '.join(SUFFIXES)}")
    return _READERS[suffix](path)


def read_rows(path: Path) -> list[Row]:
    """All rows of a file that :func:`open_rows` opens, in memory. Raises :class:`DataError`."""
    return list(open_rows(path))


def _none(path: Path) -> DataError:
    return DataError(f"{path}: the file has no rows; give one labelled example per row")


# --- tables ----------------------------------------------------------------------------------------------------------


class _OneByOne(Rows):
    """Rows of a file that is never in memory whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[Row]:
        rows = self._read()
        first = next(rows, None)
        if first is None:
            raise _none(self._path)
        yield first
        yield from rows

    @abstractmethod
    def _read(self) -> Iterator[Row]:
        """The rows, possibly none."""


class _Table(_OneByOne):
    """Rows of fields with a comma or a tab between them, quoted as in CSV where they hold it or a line break."""

    def __init__(self, path: Path, *, comma: str) -> None:
        super().__init__(path)
        self._file = TextFile(path)
        self._comma = comma

    def columns(self) -> list[str]:
        return list(next(iter(self)).columns)

    def _read(self) -> Iterator[Row]:
        csv.field_size_limit(LONGEST_FIELD)
        kind = "CSV" if self._comma == "," else "TSV"
        header: list[str] | None = None
        start = 1
        with self._file.opened(newline="") as lines:
            # strict: otherwise a quote that is never closed would swallow the rest of the file without a word.
            reader = csv.reader(lines, delimiter=self._comma, strict=True)
            try:
                for fields in reader:
                    if not fields:  # an empty line
                        pass
                    elif header is None:
                        header = _header(self._path, fields)
                    elif len(fields) != len(header):
                        raise self._uneven(header, fields, start)
                    else:
                        yield Row(start, dict(zip(header, fields, strict=True)))
                    start = reader.line_num + 1
            except csv.Error as error:
                raise DataError(
                    f"{self._path}, row that begins at line {start}: not readable as {kind} ({error}); check its "
                    "quotes: a field that begins with one ends with one, and doubles those inside it"
                ) from None

    def _uneven(self, header: Sequence[str], fields: Sequence[str], line: int) -> DataError:
        called = "comma" if self._comma == "," else "tab"
        return DataError(
            f"{self._path}, line {line}: {_number(len(fields), 'field')}, but the header has "
            f"{_number(len(header), 'column')}; "
            + (other_separator(header) or f"put fields that hold a {called} or a line break in double quotes")
        )


def other_separator(columns: Sequence[str]) -> str:
    """What to do where the only column seems to be several; empty if it does not."""
    if len(columns) == 1:
        if "\t" in columns[0]:
            return "the header has tabs and no comma: call the file .tsv"
        if ";" in columns[0]:
            return "the header has no comma: save the file with commas between its columns"
        if "," in columns[0]:
            return "the header has commas and no tab: call the file .csv"
    return ""


def _header(path: Path, fields: Sequence[str]) -> list[str]:
    names = [name.strip() for name in fields]
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"{path}: the header names the column {name!r} more than once; give each column its own name"
            )
    return names


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


# --- JSON ------------------------------------------------------------------------------------------------------------

# NaN and Infinity are no JSON, but tables with gaps are often written so: read them as gaps.
_decode = json.JSONDecoder(parse_constant=lambda _: None).decode


class _JsonLines(_OneByOne):
    """One object per line; lines may differ in their columns."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = TextFile(path)

    def at(self, places: Sequence[int]) -> Iterator[Row]:
        return (self._row(number, line) for number, line in at_places(self._lines(), places))

    def _read(self) -> Iterator[Row]:
        return (self._row(number, line) for number, line in self._lines())

    def _lines(self) -> Iterator[tuple[int, str]]:
        # A line ends with \n alone: JSON strings may hold U+2028 and the like.
        with self._file.opened(newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.isspace():
                    yield number, line

    def _row(self, number: int, line: str) -> Row:
        try:
            value = _decode(line)
        except (ValueError, RecursionError):
            value = _parse_json(self._path, line.removesuffix("\n"), first_line=number)
        if not isinstance(value, dict):
            raise DataError(
                f"{self._path}, line {number}: {_kind(value)}, not an object; a .jsonl file has one {{...}} per line, "
                "a file with one list in it is a .json file"
            )
        return Row(number, value)


def _json_rows(path: Path) -> Rows:
    value = _parse_json(path, TextFile(path).text(), first_line=1)
    if isinstance(value, dict):
        lists = {key: item for key, item in value.items() if _is_list_of_objects(item)}
        if len(lists) != 1:
            found = f"it has {len(lists)} of them: {', '.join(lists)}" if lists else "it has none"
            raise DataError(f"{path}: an object must hold exactly one list of objects as its rows; {found}")
        (value,) = lists.values()
    if not isinstance(value, list):
        raise DataError(f"{path}: holds {_kind(value)}; a list of objects is needed, or an object that holds one")
    for number, item in enumerate(value, start=1):
        if not isinstance(item, dict):
            raise DataError(f"{path}, item {number}: {_kind(item)}, not an object with columns")
    if not value:
        raise _none(path)
    return HeldRows([Row(number, item) for number, item in enumerate(value, start=1)])


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _parse_json(path: Path, text: str, *, first_line: int) -> object:
    try:
        parsed: object = json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise DataError(f"{path}, line {line}, column {error.colno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists without end
        raise DataError(f"{path}, from line {first_line} on: not readable as JSON: {error}") from None
    return parsed


def _kind(value: object) -> str:
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        type(None): "null",
    }
    return names.get(type(value), "a number")


# --- Parquet ---------------------------------------------------------------------------------------------------------


class _Parquet(_OneByOne):
    """Rows of a Parquet file."""

    def columns(self) -> list[str]:
        return list(next(iter(self)).columns)

    def _read(self) -> Iterator[Row]:
        return parquet_rows(self._path)


_READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": lambda path: _Table(path, comma=","),
    ".tsv": lambda path: _Table(path, comma="\t"),
    ".tab": lambda path: _Table(path, comma="\t"),
    ".jsonl": _JsonLines,
    ".json": _json_rows,
    ".parquet": _Parquet,
}
SUFFIXES = tuple(_READERS)
"""How the names of files end that can be read, in lower case."""
