"""Calculations in a reply: which numbers they take, whether they come to a result, and where a reply breaks off."""

from __future__ import annotations

import re

STEP_NUMBER = re.compile(r"^[ \t]*(?:\(?(\d{1,2})[.)]|step\s+(\d{1,2})\s*[:.)])(?=\s+\S)", re.MULTILINE | re.IGNORECASE)
"""The number at the start of a line that is a step or item."""

_CURRENCY = r"\\?[$€£¥₹]"
_OPERAND = (
    rf"\({{0,9}}(?:{_CURRENCY}\s?)?"
    r"(?:\d[\d,]*(?:\.\d+)?|\.\d+|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)[)%]*"
)
_SIGN = r"(?:[+*/\u00d7\u00f7\u00b7]|\\times|\\div|\\cdot|x\b|\b(?:times|plus|minus|(?:multiplied|divided)[ \t]+by)\b)"
# "3 tickets * $2.50", "16 - 3"; but a hyphen without spaces about it makes a range, and one behind a word is a dash.
_OPERATION = re.compile(
    rf"(?<![\w.,/]){_OPERAND}"
    rf"(?:(?:[ \t]+[A-Za-z]+)?[ \t]*{_SIGN}[ \t]*{_OPERAND}|[ \t]+[-\u2212\u2013][ \t]+{_OPERAND})+",
    re.IGNORECASE,
)
_LEADS_TO = re.compile(
    r"(?:[ \t]+[A-Za-z]+\.?){0,4}?[)\]}\\$*_ \t]*"
    r"(?:\s*(?:=|\u2248|->|\u2192|:)|,?[ \t]+(?:which[ \t]+|that[ \t]+|this[ \t]+|it[ \t]+)?"
    r"(?:is|are|equals?|gives?|makes?|leaves?)\b)",
    re.IGNORECASE,
)
# "multiply the 80 km by 3": both numbers go into the calculation.
_BY = re.compile(
    rf"\b(?:multipl|divid|division)\w*(?:[^.!?;\n=]|\.(?=\d)){{0,200}}?\bby[ \t]+{_OPERAND}", re.IGNORECASE
)

# "20% of 35", "the difference between 9 and 14", "both 3 and 4".
_OF = re.compile(
    rf"\d%[ \t]+of[ \t]+{_OPERAND}|\b(?:between|both|numbers|(?:sum|product|difference|mean|average)[ \t]+of)"
    rf"[ \t]+{_OPERAND}(?:,[ \t]*{_OPERAND})*,?[ \t]+(?:and|from|to)[ \t]+{_OPERAND}",
    re.IGNORECASE,
)

_BREAKS_OFF = re.compile(
    rf"(?:\b(?:and|or|of|the|a|an|to|is|are|was|were|by|with|from|at|in|on|for|into|as|than|which|because"
    r"|approximately|equals)"
    rf"|\d[ \t]*=|\d/|[A-Za-z],|\w[ \t]+[*/=\u00d7\u00f7]|[\d)][ \t]+(?:[-+\u2212]|x))\s*(?:{_CURRENCY}\s*)?\Z",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")
_CUT_THOUSANDS = re.compile(r"\d,\d{1,2}\Z")
_DOES = (
    r"(?:find|calculate|compute|determine|add|subtract|multiply|divide|convert|solve|work|figure|count|look|check"
    r"|consider|take|break|identify)\b"
)
_PLAN = re.compile(
    r"\b(?:(?:(?:we|I)(?:['\u2019]ll|\s+(?:now\s+)?(?:need\s+to|have\s+to|want\s+to|must|should|can|will))"
    rf")\s+(?:now\s+|then\s+|first\s+)?{_DOES}|\blet['\u2019]?s\b|\blet\s+us\b"
    rf"|\A\W*(?:now|next|then|first),?\s+(?:we|I)\s+{_DOES})",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\W*(?:now|next|then|first|firstly|secondly)\b\D*\Z", re.IGNORECASE)
_METHOD = re.compile(
    rf"\b(?:we|you|I)(?:['\u2019]ll|\s+(?:(?:need|have|want)\s+to|must|should|can|could|will))\s+(?:\w+ly\s+)?{_DOES}"
    rf"|\A\W*(?:(?:first|then|now|next),?\s+)?(?:to\s+{_DOES}|let['\u2019]?s\b|let\s+us\b)",
    re.IGNORECASE,
)
_FINISHED = re.compile(r"[.!?:][\s*_`\"'\u201d)\]}$]*\Z")


def operation_at(text: str, place: int) -> re.Match[str] | None:
    """The calculation whose first number ends at ``place``, "16 - 7" or "6 times 7"."""
    start = max(0, text.rfind("\n", 0, place))
    return next((one for one in _OPERATION.finditer(text, start) if one.start() < place < one.end()), None)


def leads_to(text: str, operation: re.Match[str]) -> int | None:
    """Where what an operation comes to begins: behind "=", "is" or "gives"; None if nothing says it."""
    match = _LEADS_TO.match(text, operation.end())
    return match.end() if match else None


def operands(text: str) -> list[tuple[int, int]]:
    """Start and end of each part of ``text`` that goes into a calculation: "6 times 7", "divide it by 3"."""
    return [one.span() for pattern in (_OPERATION, _BY, _OF) for one in pattern.finditer(text)]


def is_plan(sentence: str) -> bool:
    """Whether a sentence without an end says what to do next: "Now, we can find out how many nuts each"."""
    return not _FINISHED.search(sentence) and bool(_PLAN.search(sentence) or _NEXT.match(sentence))


def is_method(sentence: str) -> bool:
    """Whether a sentence says what is to be done: "To find the mean, we need to add 4 and 7."."""
    return bool(_METHOD.search(sentence))


def breaks_off(text: str) -> bool:
    """Whether ``text`` ends within a sentence: on "and", "is" or "case,", or within a number or a calculation."""
    text = text.rstrip()
    if _BREAKS_OFF.search(text) or (_THOUSANDS.search(text) and _CUT_THOUSANDS.search(text)):
        return True
    return any(one.end() == len(text) for one in _OPERATION.finditer(text))
