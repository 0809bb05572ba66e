"""Stretches of a prompt that no cut falls into: quotations, brackets, code, and worked examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

LONGEST = 400
"""Characters of a quotation, or of what stands in round or square brackets; longer ones are likely a slip."""

LONGEST_BRACES = 4000
"""Characters between braces, such as those of JSON."""

_QUOTED = (
    r'"[^"\n]{1,400}"'
    # An apostrophe within a word ends no quotation.
    r"|(?<!\w)'(?=\S)(?:[^'\n]|(?<=\w)'(?=\w)){1,400}(?<=\S)'(?!\w)"
    r"|\u2018(?:[^\u2018\u2019\n]|(?<=\w)\u2019(?=\w)){1,400}\u2019"
    r"|\u201c[^\u201d]{1,400}\u201d|\u201e[^\u201c\u201d]{1,400}[\u201c\u201d]|\u00ab[^\u00bb]{1,400}\u00bb"
    r"|\u300c[^\u300d]{1,400}\u300d|\u300e[^\u300f]{1,400}\u300f|\uff08[^\uff09]{1,400}\uff09"
)
_CODE = (
    r"(?P<fence>`{3,})[^`].*?(?:(?P=fence)|\Z)"
    r"|^[ \t]*(?P<tildes>~{3,})[^~].*?(?:^[ \t]*(?P=tildes)|\Z)"
    r"|`[^`\n]+`"
)
_TAGGED = (
    r"<(?P<tag>examples?|demonstrations?|demos?|samples?|shots?|inputs?|outputs?|questions?|answers?|query|response|"
    r"code|format|schema)(?:\s[^<>]*)?>.*?</(?P=tag)\s*>"
)
_WHOLE = (
    re.compile(_CODE, re.DOTALL | re.MULTILINE),
    re.compile(_QUOTED),
    re.compile(_TAGGED, re.DOTALL | re.IGNORECASE),
)

_EXAMPLE_LINE = (
    r"(?:#+\s*|\*\*)?(?:examples?|demonstrations?|inputs?|outputs?|questions?|answers?|q|a|text|labels?|user|assistant|"
    r"sentence|review|message|response|class|category|target|premise|hypothesis|problem|solution)"
    r"(?:\s*\d+)?(?:\*\*)?\s*[:=][^\n]*"
)
_EXAMPLES = re.compile(rf"^[ \t]*{_EXAMPLE_LINE}(?:\n[ \t]*{_EXAMPLE_LINE})+", re.IGNORECASE | re.MULTILINE)
"""Lines such as ``Input: ...`` and ``Output: ...``, one below the other."""

_BRACKETS = {")": "(", "]": "[", "}": "{"}


def protected(prompt: str) -> list[tuple[int, int]]:
    """Beginnings and ends of the stretches that stay whole; they may overlap."""
    found = [match.span() for pattern in (*_WHOLE, _EXAMPLES) for match in pattern.finditer(prompt)]
    return [*found, *_bracketed(prompt)]


def inside(place: int, stretches: Sequence[tuple[int, int]]) -> bool:
    """Whether a cut at ``place`` would fall into one of them."""
    return any(start < place < end for start, end in stretches)


def _bracketed(prompt: str) -> Iterator[tuple[int, int]]:
    """What stands in brackets, nested ones included. One that is never closed protects nothing."""
    opened: list[tuple[str, int]] = []
    for place, character in enumerate(prompt):
        if character in "([{":
            opened.append((character, place))
        elif character in _BRACKETS and any(one == _BRACKETS[character] for one, _ in opened):
            while opened[-1][0] != _BRACKETS[character]:
                opened.pop()
            _, start = opened.pop()
            if place + 1 - start <= (LONGEST_BRACES if character == "}" else LONGEST):
                yield start, place + 1
