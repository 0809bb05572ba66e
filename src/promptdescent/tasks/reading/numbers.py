"""Numbers: what is one in a text."""

from __future__ import annotations

import re
from decimal import Decimal

MINUSES = "\u2212\u2013-"  # the hyphen last, so that it is no range in a character class
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
CURRENCY = "[$€£¥₹]"
_DIGITS = rf"""
    (?: (?<![^\W_])(?<![)\].%])(?P<sign>[+{MINUSES}]) )? (?:{CURRENCY}\s?)?
    (?<![A-Za-z\d])(?P<digits> (?: \d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}(?!\d) | \d+ )(?:\.\d+)? | \.\d+ )
    (?P<exponent> [eE][-+]?\d{{1,3}}(?![A-Za-z\d]) )?
"""
_NUMBER = re.compile(
    rf"""{_DIGITS}
    | (?<![\w-])(?:{_TENS})(?:[-\s]+(?:{"|".join(_WORDS[1:10])}))?(?![\w-])  # beyond twelve: passed over whole
    | (?<![\w-])(?P<word>{"|".join(_WORDS)})(?![\w-])(?!\s+(?:hundred|thousand|million|billion|dozen)\b)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WHOLE_NUMBER = re.compile(rf"\s*{_DIGITS}\s*(?:%|{CURRENCY})?\s*\.?\s*", re.VERBOSE)

# "Now we add these two": a word that counts what was spoken of before.
_POINTS_BACK = re.compile(r"\b(?:these|those)\s+\Z", re.IGNORECASE)


_REACH = 20
"""Characters in front of a word that may say something of it."""


def parse_number(text: str) -> Decimal | None:
    """The number that ``text`` is, or None; it may have a sign, commas between thousands, a currency or percent sign.

    Of a text with "####", as in GSM8K's targets, only what follows the last of them counts.
    """
    match = _WHOLE_NUMBER.fullmatch(text.rpartition("####")[2])
    return value_of(match) if match else None


def numbers_in(text: str) -> list[re.Match[str]]:
    """The numbers of ``text``, in order; the word "one" only where there is no other."""
    matches = [
        match
        for match in _NUMBER.finditer(text)
        if match["digits"]
        or (match["word"] and not _POINTS_BACK.search(text, max(0, match.start() - _REACH), match.start()))
    ]
    without_one = [match for match in matches if (match["word"] or "").lower() != "one"]  # it is a pronoun, too
    return without_one or matches


def value_of(match: re.Match[str]) -> Decimal:
    """What one of :func:`numbers_in` is worth."""
    found = match.groupdict()
    if word := found.get("word"):
        return Decimal(_WORDS.index(word.lower()))
    sign = "-" if found["sign"] and found["sign"] in MINUSES else ""
    return Decimal(f"{sign}{found['digits'].replace(',', '')}{found['exponent'] or ''}")
