"""Answers as another system reads them in replies: by a regular expression of its own.

There are expressions that take longer than anybody lives on a text of a line, and nothing in this process could go on
meanwhile, nor end them. So they run in a process of their own, which is ended when a reply takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from promptdescent.errors import PermanentError

SECONDS = 5.0
"""What one reply may take, the start of the process included; a usual one takes microseconds."""

LONGEST_READ = 20_000
"""Characters of a reply that are looked at."""

_SCRIPT = Path(__file__).with_name("read_answers.py")
_LONGEST_LINE = 16 * LONGEST_READ
"""Bytes; JSON may write a character as twelve."""


class AnswerReader:
    """Reads answers by one pattern with one group; without a pattern the whole reply is the answer."""

    def __init__(self, pattern: str | None) -> None:
        self._pattern = pattern
        self._process: Process | None = None
        self._failure = ""
        self._turn = asyncio.Lock()

    async def read(self, reply: str) -> str:
        """What the pattern finds; empty if it finds nothing. Raises :class:`PermanentError`, from the first reply on
        that takes too long.
        """
        if self._pattern is None:
            return reply
        async with self._turn:
            if not self._failure:
                try:
                    async with asyncio.timeout(SECONDS):
                        line = await self._answered(reply[:LONGEST_READ])
                    if line:
                        return str(json.loads(line))
                    self._failure = "ended the process that applied it"
                except TimeoutError:
                    self._failure = f"takes longer than {SECONDS:g} seconds on a reply"
                except OSError as error:
                    self._failure = f"could not be applied: {error}"
                except asyncio.CancelledError:  # nobody may take its answer for that of the next reply
                    await self.close()
                    raise
                await self.close()
        raise PermanentError(f"its answer_pattern {self._failure}, so that answers cannot be read in its own layout")

    async def close(self) -> None:
        """End the process, whatever it is at."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()  # closes the pipes, too

    async def _answered(self, text: str) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(_SCRIPT),
                str(2 * SECONDS),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=_LONGEST_LINE,
            )
            self._send(self._process, self._pattern)
        self._send(self._process, text)
        return await self._process.stdout.readline() if self._process.stdout else b""

    def _send(self, process: Process, content: str | None) -> None:
        if process.stdin is not None:
            process.stdin.write(f"{json.dumps(content)}\n".encode())
