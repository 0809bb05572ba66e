"""How a reply may write a label: as a word, or as the letter of an option."""

from __future__ import annotations

import re

from promptdescent.tasks.reading.cues import DASHES, MARKS, MARKS_IN_LINE, QUOTES

_MINUSES = "\u2212\u2013-"  # the hyphen last, so that it is no range in a character class
_END_MARKS = rf"[*_`{QUOTES}.!)\]]*[ \t]*"

# A label is a whole word: not "valid" in "invalid", "non-valid" or "very_valid"; but "_valid_" is valid, in Markdown.
_NOT_AFTER_WORD = r"(?<![^\W_])(?<![^\W_][_'\u2019-])"
_NOT_BEFORE_WORD = (
    r"(?![^\W_])(?!_[^\W_])(?!['\u2019][^\W_])(?!-(?!(?:related|leaning|oriented|based|focused)\b)[^\W_])"
)

# What may follow a bare "A" or "I" for it to be an option and no word of a sentence.
_AFTER_OPTION = (
    rf"(?=[*_`{QUOTES}]*(?:\s*$|[).,;:!?\]]|\s+(?:[({DASHES}-]|(?:because|since|as|is|and|or|not|for|due)\b)))"
)

# "It is C.", "I'd go with C.", "Therefore: C"; but not "I don't think it is C." and "if it is C".
_SAID_TO_BE = (
    r"(?i:(?<!think\s)(?<!if\s)(?<!that\s)(?<!whether\s)\b(?:it|this|that)(?:\s+is|['\u2019]s)"
    r"|\bI(?:\s+would|['\u2019]d)\s+(?:go\s+with|say|pick)|\b(?:therefore|thus|hence|so)\b)"
)

ADVERB = r"(?:indeed|thus|therefore|clearly|certainly|definitely|surely|obviously|really|actually)"
"""What may stand between "is" and "the correct one"."""

_NO_ANSWER_AFTER_NO = r"(?![ \t]+(?!(?:it|they|he|she|this|that|there|you|we|and|or|but|because|since|as|not)\b)[a-z])"
"""Where "no" is no answer, but says of a thing that there is none: "no doubt", "no fish can read"."""


def label_key(label: str) -> str:
    """What makes two labels the same: case and white space do not count."""
    return " ".join(label.casefold().split())


def one_group_each(forms: list[list[str]]) -> re.Pattern[str]:
    """One group per label: the number of the group that matched is the label's."""
    return re.compile("|".join(f"({'|'.join(alternatives)})" for alternatives in forms), re.MULTILINE)


def label_forms(label: str) -> list[str]:
    """Patterns for ``label`` anywhere in a text."""
    letter = option_letter(label)
    if letter is None:
        return [_word_form(label)]
    either = f"[{letter}{letter.lower()}]"
    return [
        rf"(?<![^\W_])\(\s*{either}\s*\)",
        rf"[\[{{]\s*{letter}\s*[\]}}]",  # as in LaTeX's \boxed{A}
        rf"^{MARKS_IN_LINE}(?:{either}\)|{letter}[.:])(?=\s|$|[*_])",
        rf"^{MARKS_IN_LINE}{letter}{_END_MARKS}$",
        rf"^{MARKS_IN_LINE}{letter}(?=,\s*(?:since|because|as|for)\b|[ \t]+[{DASHES}-][ \t]+[^\W\d_])",
        rf"(?i:<(?:answer|option|choice|label)>)\s*{letter}\s*</",
        rf"{_SAID_TO_BE}[:,]?\s+{letter}(?=[*_`{QUOTES}]*(?:[.,;:!]|\s*$))",
        rf"(?i:\b(?:option|choice))\s+{letter}{_NOT_BEFORE_WORD}",
        rf"\*\*{letter}[).:]?\*\*",
        rf"(?<![^\W_]){letter}(?=\s+is\s+(?:{ADVERB}\s+)?(?:the\s+)?(?:correct|right|best)\b)",
    ]


def _word_form(label: str) -> str:
    words = r"\s+".join(re.escape(word) for word in label.split())
    before = _NOT_AFTER_WORD if label[0].isalnum() else ""
    after = _NOT_BEFORE_WORD if label[-1].isalnum() else ""
    if label[0].isdigit():
        before += rf"(?<!\d[.,])(?<![{_MINUSES}])"
    if label[-1].isdigit():
        after += r"(?![.,]\d)"
    if label_key(label) == "no":
        after += _NO_ANSWER_AFTER_NO
    if before and after:  # "more negative than positive" names one label, "a more positive tone" none
        return rf"{before}(?<!\bthan\s)(?:(?<!\bmore\s)(?<!\bless\s)(?i:{words})|(?i:{words})(?=\s+than\b)){after}"
    return f"{before}(?i:{words}){after}"


def letter_after_cue(label: str) -> list[str]:
    """Patterns for ``label`` right at the start of what follows a cue."""
    letter = option_letter(label)
    if letter is None:
        return []
    follow = _AFTER_OPTION if letter in "AI" else _NOT_BEFORE_WORD
    return [rf"\A{MARKS}(?:(?i:(?:the\s+)?(?:option|choice|letter))\s+)?{letter}{follow}"]


def option_letter(label: str) -> str | None:
    """The capital letter of an option such as "(A)" or "A"."""
    match = re.fullmatch(r"\(([A-Za-z])\)|([A-Za-z])", label.strip())
    return (match[1] or match[2]).upper() if match else None
