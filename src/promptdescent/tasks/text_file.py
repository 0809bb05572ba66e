"""Text files of any length, read as a stream: UTF-8, and what is said of one that is not."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from promptdescent.errors import DataError

CHUNK = 1 << 16
"""Bytes that are looked at together."""

_HEAD = 1000
"""Bytes by which a file's encoding is guessed."""

_MARK = b"\xef\xbb\xbf"
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f"
_CONTROL_IN_TEXT = re.compile(f"[{_CONTROL}]")
_CONTROL_IN_BYTES = re.compile(f"[{_CONTROL}]".encode())
"""What no text holds."""


class TextFile:
    """A file of UTF-8 text, with or without a byte order mark.

    What is no regular file, such as a pipe, is read once and held.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: bytes | None = None

    @contextmanager
    def opened(self, *, newline: str) -> Iterator[TextIO]:
        """The text from its start, once all of it was found to be text; ``newline`` as :func:`open` takes it, so that
        lines keep their ends.

        Raises :class:`DataError` if it cannot be read, is empty or is not UTF-8.
        """
        with self._binary() as file:
            start = self._check(file)
            file.seek(start)
            try:
                with io.TextIOWrapper(file, encoding="utf-8", newline=newline) as text:
                    yield text
            except UnicodeDecodeError:
                raise DataError(f"{self.path}: the file has changed while it was read; try again") from None
            except OSError as error:
                raise DataError(f"{self.path}: the file cannot be read: {error.strerror}") from error

    def text(self) -> str:
        """The whole text. Raises what :meth:`opened` raises."""
        with self.opened(newline="") as file:
            return file.read()

    def _binary(self) -> BinaryIO:
        try:
            if self.path.is_file():
                return self.path.open("rb")
            if self._held is None:
                self._held = self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.path}: the file cannot be read: {error.strerror}") from error
        return io.BytesIO(self._held)

    def _check(self, file: BinaryIO) -> int:
        """Read to the end, and give the byte at which the text begins."""
        mark = len(_MARK) if file.read(len(_MARK)) == _MARK else 0
        file.seek(mark)
        decoder = codecs.getincrementaldecoder("utf-8")()
        at, blank, nul = mark, True, -1
        while chunk := _read(file, self.path):
            waiting = len(decoder.getstate()[0])  # the first bytes of a character that goes on in this chunk
            try:
                text = decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise self._not_text(file, at - waiting + error.start) from None
            blank = blank and not text.strip()
            if nul < 0 and (found := chunk.find(b"\0")) >= 0:
                nul = at + found
            at += len(chunk)
        if cut := len(decoder.getstate()[0]):
            raise self._not_text(file, at - cut)
        if nul >= 0:  # what UTF-16 and binary files look like when every byte happens to be valid
            raise self._not_text(file, nul)
        if blank:
            raise DataError(f"{self.path}: the file is empty; give a file with one labelled example per row")
        return mark

    def _not_text(self, file: BinaryIO, at: int) -> DataError:
        """Where the first byte is that cannot be in UTF-8 text, and what the file is likely to be."""
        head, line, nul = self._before(file, at)
        place = f"{self.path}, line {line} (byte {at + 1} of the file): not UTF-8 text"
        wide = _utf_16(head)
        if wide is None and nul:
            file.seek(at)
            if file.read(1) != b"\0" or self._has_control(file):
                return DataError(
                    f"{place}, and no text at all: give a .csv, .tsv, .jsonl or .json file (not a spreadsheet or "
                    "archive)"
                )
            return DataError(f"{place}: it holds a NUL byte; take it out")
        given = f"`iconv -f {wide or 'latin1'} -t utf-8`"
        if wide is None:
            given += ", with the encoding it has in place of latin1"
        return DataError(f"{place}; save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8'; or {given})")

    def _before(self, file: BinaryIO, at: int) -> tuple[bytes, int, bool]:
        """The head of the file, the 1-based line of the byte ``at``, whether there is a NUL up to it or in the head."""
        file.seek(0)
        head = file.read(_HEAD)
        file.seek(0)
        left, line, nul = at + 1, 1, b"\0" in head
        while left and (chunk := file.read(min(left, CHUNK))):
            left -= len(chunk)
            line += chunk.count(b"\n", 0, len(chunk) - (not left))
            nul = nul or b"\0" in chunk
        return head, line, nul

    def _has_control(self, file: BinaryIO) -> bool:
        """Whether there is a control character other than NUL."""
        file.seek(0)
        while chunk := _read(file, self.path):
            if _CONTROL_IN_BYTES.search(chunk.replace(b"\0", b"")):
                return True
        return False


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(CHUNK)
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror}") from error


def _utf_16(head: bytes) -> str | None:
    """The name of the encoding if a file that begins so is likely to be UTF-16: by its byte order mark, or since its
    zeros stand all in every other place and it makes text with line ends so. These, spaces and digits have a zero in
    any script.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if bool(even) == bool(odd):
        return None
    name = "utf-16le" if odd else "utf-16be"
    text = head.decode(name, errors="replace")
    return None if even + odd < 2 or "\n" not in text or _CONTROL_IN_TEXT.search(text) else name
