"""Files of rows: CSV, TSV, JSONL, JSON and, with the extra ``parquet``, Parquet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptdescent.errors import DataError

LONGEST_FIELD = 2**31 - 1
"""Characters in one CSV field; the csv module's own limit of 131,072 is below a long document."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What no text holds."""


@dataclass(frozen=True)
class Row:
    """One row as its file has it."""

    number: int
    """1-based line of a text file where the row begins, as an editor shows it; 1-based item of a JSON list, 1-based row
    of a Parquet file.
    """
    columns: Mapping[str, object]


@dataclass(frozen=True)
class NotText:
    """Stands for every value of a column that cannot be read as text, such as an image or a table within a table."""

    kind: str
    """The column's type as its file names it."""


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, at least one; its suffix says how to read it.

    CSV and TSV have a header; fields may hold quoted line breaks. JSONL has one object per line. JSON is a list of
    objects, or an object with exactly one value that is such a list, as BIG-Bench Hard's files are. All of these are
    UTF-8, with or without a byte order mark. Of Parquet, columns of plain values and of lists of them are read.

    Raises :class:`DataError`, naming the file and where possible the line.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name one file of rows ({', '.join(SUFFIXES)})")
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: the suffix {path.suffix!r} is not known; use one of {', '.join(SUFFIXES)}")
    rows = _read_parquet(path) if suffix == PARQUET else _read_as_text(path, _READERS[suffix])
    if not rows:
        raise DataError(f"{path}: the file has no rows; give one labelled example per row")
    return rows


# --- text ------------------------------------------------------------------------------------------------------------


def _read_as_text(path: Path, reader: Callable[[Path, str], list[Row]]) -> list[Row]:
    text = _read_text(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty; give a file with one labelled example per row")
    return reader(path, text)


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror}") from error
    mark = len(b"\xef\xbb\xbf") if data.startswith(b"\xef\xbb\xbf") else 0
    try:
        text = data[mark:].decode()
    except UnicodeDecodeError as error:
        raise _wrong_encoding(path, data, error.start + mark) from None
    if "\0" in text:  # what UTF-16 and binary files look like when every byte happens to be valid
        raise _wrong_encoding(path, data, data.index(b"\0"))
    return text


def _wrong_encoding(path: Path, data: bytes, at: int) -> DataError:
    """Where the first byte is that cannot be in UTF-8 text, and what the file is likely to be."""
    place = f"{path}, line {data.count(bytes([10]), 0, at) + 1} (byte {at + 1} of the file): not UTF-8 text"
    wide = _utf_16(data)
    if wide is None and b"\0" in data[: max(1000, at + 1)]:
        if data[at] or _CONTROL.search(data.replace(b"\0", b"").decode(errors="replace")):
            return DataError(
                f"{place}, and no text at all: give a .csv, .tsv, .jsonl or .json file (not a spreadsheet or archive)"
            )
        return DataError(f"{place}: it holds a NUL byte; take it out")
    given = f"`iconv -f {wide or 'latin1'} -t utf-8`"
    if wide is None:
        given += ", with the encoding it has in place of latin1"
    return DataError(f"{place}; save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8'; or {given})")


def _utf_16(data: bytes) -> str | None:
    """The name of the encoding if the file is likely to be UTF-16: by its byte order mark, or since its zeros stand all
    in every other place and it makes text with line ends so. These, spaces and digits have a zero in any script.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = data[:1000]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if bool(even) == bool(odd):
        return None
    name = "utf-16le" if odd else "utf-16be"
    text = head.decode(name, errors="replace")
    return None if even + odd < 2 or "\n" not in text or _CONTROL.search(text) else name


def _read_csv(path: Path, text: str) -> list[Row]:
    return _read_table(path, text, comma=",")


def _read_tsv(path: Path, text: str) -> list[Row]:
    return _read_table(path, text, comma="\t")


def _read_table(path: Path, text: str, *, comma: str) -> list[Row]:
    """Rows of fields with ``comma`` between them, quoted as in CSV where they hold it or a line break."""
    csv.field_size_limit(LONGEST_FIELD)
    # strict: otherwise a quote that is never closed would swallow the rest of the file without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
    kind, called = ("CSV", "comma") if comma == "," else ("TSV", "tab")
    header: list[str] | None = None
    rows = []
    start = 1
    try:
        for fields in reader:
            if not fields:  # an empty line
                pass
            elif header is None:
                header = _header(path, fields)
            elif len(fields) != len(header):
                raise DataError(
                    f"{path}, line {start}: {_number(len(fields), 'field')}, but the header has "
                    f"{_number(len(header), 'column')}; "
                    + (other_separator(header) or f"put fields that hold a {called} or a line break in double quotes")
                )
            else:
                rows.append(Row(start, dict(zip(header, fields, strict=True))))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, row that begins at line {start}: not readable as {kind} ({error}); check its quotes: a field "
            "that begins with one ends with one, and doubles those inside it"
        ) from None
    return rows


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


def _read_jsonl(path: Path, text: str) -> list[Row]:
    rows = []
    # Not splitlines(): JSON strings may hold U+2028 and the like, which it takes for line ends.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            value = _parse_json(path, line, first_line=number)
            if not isinstance(value, dict):
                raise DataError(
                    f"{path}, line {number}: {_kind(value)}, not an object; a .jsonl file has one {{...}} per line, "
                    "a file with one list in it is a .json file"
                )
            rows.append(Row(number, value))
    return rows


def _read_json(path: Path, text: str) -> list[Row]:
    value = _parse_json(path, text, first_line=1)
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
    return [Row(number, item) for number, item in enumerate(value, start=1)]


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _parse_json(path: Path, text: str, *, first_line: int) -> object:
    try:
        # NaN and Infinity are no JSON, but tables with gaps are often written so: read them as gaps.
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


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


_READERS: dict[str, Callable[[Path, str], list[Row]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".tab": _read_tsv,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
}


# --- Parquet ---------------------------------------------------------------------------------------------------------

PARQUET = ".parquet"
SUFFIXES = (*_READERS, PARQUET)
"""How the names of files end that can be read, in lower case."""

_NUMBER = r"(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|BOOLEAN)"
_AS_IT_IS = re.compile(rf"(?:{_NUMBER}|VARCHAR)(?:\[\])?")
"""DuckDB types whose values Python has too: numbers, true and false, text, and lists of one of them."""
_WRITTEN_OUT = re.compile(r"DECIMAL\(.*\)|ENUM\(.*\)|DATE|TIME.*|UUID")
"""Types whose values are read as DuckDB writes them: decimals with all their digits, dates in ISO 8601."""


def _read_parquet(path: Path) -> list[Row]:
    try:
        import duckdb
    except ImportError:
        raise DataError(
            f"{path}: Parquet files are read by an extra: pip install 'promptdescent[parquet]', or save the rows as "
            ".csv or .jsonl"
        ) from None
    # The name stands for itself, not for all files that it matches; nothing is fetched to read it.
    source = re.sub(r"([*?\[])", r"[\1]", str(path))
    table = "read_parquet(?, hive_partitioning = false)"
    try:
        with duckdb.connect(":memory:") as database:
            database.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
            database.execute("SET TimeZone = 'UTC'")
            described = database.execute(f"DESCRIBE SELECT * FROM {table}", [source]).fetchall()  # noqa: S608
            types = {str(name): str(kind) for name, kind, *_ in described}
            selected = ", ".join(_selected(name, kind) for name, kind in types.items())
            values = database.execute(f"SELECT {selected} FROM {table}", [source]).fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise DataError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}") from None
    left_out = {name: NotText(kind) for name, kind in types.items() if not _readable(kind)}
    return [
        Row(number, {name: _gap_or_value(value) for name, value in zip(types, row, strict=True)} | left_out)
        for number, row in enumerate(values, start=1)
    ]


def _readable(kind: str) -> bool:
    return bool(_AS_IT_IS.fullmatch(kind) or _WRITTEN_OUT.fullmatch(kind))


def _selected(name: str, kind: str) -> str:
    """A column in SQL; one that cannot be read is not even loaded."""
    if not _readable(kind):
        return "NULL"
    quoted = '"' + name.replace('"', '""') + '"'
    return quoted if _AS_IT_IS.fullmatch(kind) else f"CAST({quoted} AS VARCHAR)"


def _gap_or_value(value: object) -> object:
    """NaN is how tables write a gap, as in JSON files."""
    return None if value != value else value
