"""Numbers: what is one, and which one a reply answers with."""

from __future__ import annotations

import re
from decimal import Decimal

from promptdescent.tasks.reading.calculations import (
    STEP_NUMBER,
    breaks_off,
    given_operands,
    is_plan,
    leads_to,
    operation_at,
)
from promptdescent.tasks.reading.cues import CUE

_MINUSES = "\u2212\u2013-"  # the hyphen last, so that it is no range in a character class
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_CURRENCY = "[$€£¥₹]"
_DIGITS = rf"""
    (?: (?<![^\W_])(?<![)\].%])(?P<sign>[+{_MINUSES}]) )? (?:{_CURRENCY}\s?)?
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
_WHOLE_NUMBER = re.compile(rf"\s*{_DIGITS}\s*(?:%|{_CURRENCY})?\s*\.?\s*", re.VERBOSE)

# "Now we add these two": a word that counts what was spoken of before.
_POINTS_BACK = re.compile(r"\b(?:these|those)\s+\Z", re.IGNORECASE)
# A calculation whose first number is not the answer: "the answer is 16 - 7 = 9".
_UP_TO_EQUALS = re.compile(rf"(?:[\d .,+*/x()%=\u00d7\u00f7\u00b7{_MINUSES}]|{_CURRENCY})*=")


def parse_number(text: str) -> Decimal | None:
    """The number that ``text`` is, or None; it may have a sign, commas between thousands, a currency or percent sign.

    Of a text with "####", as in GSM8K's targets, only what follows the last of them counts.
    """
    match = _WHOLE_NUMBER.fullmatch(text.rpartition("####")[2])
    return _value(match) if match else None


def read_number(reply: str, question: str = "") -> Decimal | None:
    """The number that ``reply`` answers with, or None: after an answer cue the first number, else the last one.

    Digits may have a sign, commas, a currency or percent sign, brackets and units about them; the words zero to twelve
    count too, but "one" only where there is no other number. Of a calculation after a cue, what it comes to counts.
    "####" is a cue only if a number follows before any letter, for else it is a heading.

    Without a cue these do not count: the numbers of steps and items that are counted from 1 on; those that a
    calculation takes, if nothing says what it comes to ("6 times 7", "divide it by 3"); those of a sentence that asks,
    or that only says again what a sentence of ``question`` says. A reply that breaks off while it plans its next step
    has no answer. One that breaks off elsewhere within a sentence has that of the last one with a number before, if
    that one draws a conclusion: what a calculation comes to, or what follows "so".
    """
    for cue in reversed(list(CUE.finditer(reply))):
        rest = reply[cue.end() :]
        if cue.group() == "####" and not re.match(r"[^A-Za-z\n]*\d", rest):
            continue
        if numbers := _numbers(rest):
            first = numbers[0]
            calculation = _UP_TO_EQUALS.match(rest, first.start())
            results = _numbers(rest[calculation.end() :].partition("\n")[0]) if calculation else []
            if not results and (operation := operation_at(rest, first.end())):
                result = leads_to(rest, operation)
                results = _numbers(rest[result:].partition("\n")[0]) if result else []
                if not results:
                    break
            return _value(results[0] if results else first)
    return _last_number(reply, question)


def _last_number(reply: str, question: str) -> Decimal | None:
    """The last number of ``reply`` that may be an answer."""
    sentences = _sentences(_without_line_numbers(reply))
    if not sentences or is_plan(sentences[-1]):
        return None
    if breaks_off("\n".join(sentences)):
        del sentences[-1]
        last = next((sentence for sentence in reversed(sentences) if _numbers(sentence)), "")
        sentences = [_conclusion(last)]
    given = [(_words(sentence), _values(sentence)) for sentence in _sentences(question)]
    text = "\n".join(one for one in sentences if not _asks(one) and not _repeats(one, given))
    taken = given_operands(text)
    numbers = [number for number in _numbers(text) if not any(start <= number.end() - 1 < end for start, end in taken)]
    return _value(numbers[-1]) if numbers else None


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]


def _conclusion(sentence: str) -> str:
    """What follows the last "=" of a sentence, or "so" at its start; nothing of a sentence that draws no conclusion."""
    if "=" in sentence:
        return sentence.rpartition("=")[2]
    return sentence if re.match(r"\W*(?:so|therefore|thus|hence)\b", sentence, re.IGNORECASE) else ""


def _asks(sentence: str) -> bool:
    """Whether a sentence is a question, and not a number with a question mark."""
    return sentence.rstrip("\"'*_) ").endswith("?") and len(sentence.split()) >= 4


def _repeats(sentence: str, given: list[tuple[set[str], list[Decimal]]]) -> bool:
    """Whether a sentence has the very numbers of a ``given`` one in the same order, and hardly other words."""
    values, words = _values(sentence), _words(sentence)
    return any(
        values == numbers and len(words & known) >= len(words) * (1 if len(values) < 2 else 0.6) and len(words) > 3
        for known, numbers in given
        if numbers
    )


def _words(sentence: str) -> set[str]:
    return {word for word in re.findall(r"[^\W_]+", sentence.casefold()) if word not in ("a", "an", "the")}


def _values(sentence: str) -> list[Decimal]:
    return [_value(number) for number in _numbers(sentence)]


def _without_line_numbers(text: str) -> str:
    """``text`` without the numbers of lines that count from 1 on, if there are two or more; they may start again."""
    counted: list[re.Match[str]] = []
    last = 0
    for match in STEP_NUMBER.finditer(text):
        number = int(match[1] or match[2])
        if number == last + 1 or (number == 1 and last):
            counted.append(match)
            last = number
    for match in reversed(counted if len(counted) > 1 else []):
        text = text[: match.start()] + text[match.end() :]
    return text


def _numbers(text: str) -> list[re.Match[str]]:
    matches = [
        match
        for match in _NUMBER.finditer(text)
        if match["digits"] or (match["word"] and not _POINTS_BACK.search(text, 0, match.start()))
    ]
    without_one = [match for match in matches if (match["word"] or "").lower() != "one"]  # it is a pronoun, too
    return without_one or matches


def _value(match: re.Match[str]) -> Decimal:
    found = match.groupdict()
    if word := found.get("word"):
        return Decimal(_WORDS.index(word.lower()))
    sign = "-" if found["sign"] and found["sign"] in _MINUSES else ""
    return Decimal(f"{sign}{found['digits'].replace(',', '')}{found['exponent'] or ''}")
