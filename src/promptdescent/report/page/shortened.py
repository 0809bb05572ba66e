"""Long texts on a page."""

from __future__ import annotations

LONGEST_REPLY = 2_000
"""Characters of a reply or a row that a page shows."""


def shortened(text: str, most: int = LONGEST_REPLY) -> str:
    """The text, or its beginning and how much is left out."""
    if len(text) <= most:
        return text
    return f"{text[:most]} … ({len(text) - most:,} more characters)"


def counted(count: int, what: str, many: str = "") -> str:
    """A number with its word: ``1 row``, ``1,200 rows``; ``many`` where the plural is not the word with an s."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"
