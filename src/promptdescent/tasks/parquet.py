"""Parquet files, read in batches by DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from promptdescent.errors import DataError
from promptdescent.tasks.rows import NotText, Row

_BATCH = 1000
"""Rows that are taken from DuckDB at once."""

_NUMBER = r"(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|BOOLEAN)"
_AS_IT_IS = re.compile(rf"(?:{_NUMBER}|VARCHAR)(?:\[\])?")
"""DuckDB types whose values Python has too: numbers, true and false, text, and lists of one of them."""
_WRITTEN_OUT = re.compile(r"DECIMAL\(.*\)|ENUM\(.*\)|DATE|TIME.*|UUID")
"""Types whose values are read as DuckDB writes them: decimals with all their digits, dates in ISO 8601."""


def parquet_rows(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file in their order, possibly none. Raises :class:`DataError`."""
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
            # With one thread no rows are read ahead of those that are taken, which would be held.
            database.execute("SET TimeZone = 'UTC'; SET threads = 1")
            described = database.execute(f"DESCRIBE SELECT * FROM {table}", [source]).fetchall()  # noqa: S608
            types = {str(name): str(kind) for name, kind, *_ in described}
            left_out = {name: NotText(kind) for name, kind in types.items() if not _readable(kind)}
            selected = ", ".join(_selected(name, kind) for name, kind in types.items())
            number = 0
            database.execute(f"SELECT {selected} FROM {table}", [source])  # noqa: S608
            while batch := database.fetchmany(_BATCH):
                for number, row in enumerate(batch, start=number + 1):  # noqa: B020
                    values = {name: _gap_or_value(value) for name, value in zip(types, row, strict=True)}
                    yield Row(number, values | left_out)
    except duckdb.Error as error:
        raise DataError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}") from None


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
