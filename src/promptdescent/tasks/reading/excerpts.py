"""What of a reply is read, so that none takes long: replies are read in the event loop."""

from __future__ import annotations

import re

LONGEST = 20_000
"""Characters of a reply that are read: its beginning and its end, where answers stand."""
BEGINNING = 2_000
"""Of :data:`LONGEST` those from the beginning."""

_BLANKS = re.compile(r"[^\S\n]{3,}")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")


def excerpt(reply: str) -> str:
    """``reply`` without runs of more than two blanks and one blank line; of a longer one only its beginning and end.

    Where something is left out the words next to it go, too, for they may be cut: 34 is no answer of a 1234.
    """
    text = _BLANK_LINES.sub("\n\n", _BLANKS.sub("  ", reply))
    if len(text) <= LONGEST:
        return text
    start, end = text[:BEGINNING], text[BEGINNING - LONGEST :]
    return "\n".join((*start.rsplit(maxsplit=1)[:1], *end.split(maxsplit=1)[-1:]))
