"""Rows as their source has them, read one at a time, and as often as they are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from promptdescent.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as its file has it."""

    number: int
    """1-based line of a text file where the row begins, as an editor shows it; 1-based item of a JSON list, 1-based row
    of a Parquet file.
    """
    columns: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NotText:
    """Stands for every value of a column that cannot be read as text, such as an image or a table within a table."""

    kind: str
    """The column's type as its file names it."""


class Rows(ABC):
    """Rows that can be read again and again. Each reading raises :class:`DataError` where it comes upon a fault."""

    @abstractmethod
    def __iter__(self) -> Iterator[Row]:
        """The rows, from the first on."""

    def columns(self) -> list[str]:
        """The names of all columns of all rows, in the order in which they come up. Reads all rows."""
        return list(dict.fromkeys(column for row in self for column in row.columns))

    def at(self, places: Sequence[int]) -> Iterator[Row]:
        """The rows at these 0-based places, which are given in ascending order; ends early where the rows do."""
        return at_places(self, places)


class HeldRows(Rows):
    """Rows in memory."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


class GivenRows(Rows):
    """Mappings of column to value that a caller holds. Raises :class:`DataError` if there are none."""

    def __init__(self, rows: Sequence[Mapping[str, object]]) -> None:
        if not rows:
            raise DataError("rows: there are none; give one labelled example per row")
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        for number, row in enumerate(self._rows, start=1):
            if not isinstance(row, Mapping):
                raise DataError(f"rows: number {number} is {type(row).__name__}, not a mapping of column to value")
            yield Row(number, row)


def at_places(items: Iterable[T], places: Iterable[int]) -> Iterator[T]:
    """The items at these 0-based places, which are given in ascending order; ends early where the items do."""
    iterator, passed = iter(items), 0
    for place in places:
        yield from islice(iterator, place - passed, place - passed + 1)
        passed = place + 1
