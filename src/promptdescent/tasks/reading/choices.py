"""One of several labels, found in a reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from promptdescent.tasks.reading.cues import DASHES, MARKS, OUTER, QUOTES, lines_of, what_follows_cues

Rule = Literal["default", "first", "last", "line"]
"""How a choice is read: see :class:`ChoiceReader`."""

RULES: tuple[Rule, ...] = get_args(Rule)

_MINUSES = "\u2212\u2013-"  # the hyphen last, so that it is no range in a character class
_END_MARKS = rf"[*_`{QUOTES}.!)\]]*[ \t]*"

# A label is a whole word: not "valid" in "invalid", "non-valid" or "very_valid"; but "_valid_" is valid, in Markdown.
_NOT_AFTER_WORD = r"(?<![^\W_])(?<![^\W_][_'\u2019-])"
_NOT_BEFORE_WORD = r"(?![^\W_])(?![_'\u2019-][^\W_])"

# What may follow a bare "A" or "I" for it to be an option and no word of a sentence.
_AFTER_OPTION = (
    rf"(?=[*_`{QUOTES}]*(?:\s*$|[).,;:!?\]]|\s+(?:[({DASHES}-]|(?:because|since|as|is|and|or|not|for|due)\b)))"
)


# "Is it positive, negative or neutral?": what may stand between labels that are named together.
_BETWEEN_LABELS = re.compile(
    rf"[{QUOTES}*_`\s]*(?:,|/|(?:,\s*)?\b(?P<word>or|and|nor)\b)[{QUOTES}*_`\s]*(?:\(\s*(?:not\s+)?)?", re.IGNORECASE
)
_ITEM_MARK = re.compile(r"\s*(?:[-*\u2022\u2013]|\(?\d{1,3}[.)])\s+")
_HEADING_END = re.compile(rf"[*_`{QUOTES}]*\s*[:{DASHES}-]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\s*_`\"')]")
# Where a sentence has said what is so, and goes on to say why, or what speaks against it, or what may be so as well.
_ASIDE = re.compile(
    r"\b(?:because|since|as|although|(?:even )?though|despite|whereas|unless)\b"
    r"|\b(?:but|yet|and)\s+(?:\w+\s+)?(?:can|could|may|might)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    rf"[{QUOTES}*_`)\s]*\b(?:is|are)\s+(?:not\s+(?:the\s+)?(?:correct|right)|incorrect|wrong)\b", re.IGNORECASE
)

_NO_ANSWER_AFTER_NO = r"(?![ \t]+(?!(?:it|they|he|she|this|that|there|you|we|and|or|but|because|since|as|not)\b)[a-z])"
"""Where "no" is no answer, but says of a thing that there is none: "no doubt", "no fish can read"."""


def label_key(label: str) -> str:
    """What makes two labels the same: case and white space do not count."""
    return " ".join(label.casefold().split())


def _bare(text: str) -> str:
    """A label or reply without the marks at its ends: "(A)", "A." and "a" are all one."""
    return label_key(text).strip(OUTER)


@dataclass(frozen=True, kw_only=True)
class ChoiceReader:
    """Finds which of ``labels`` a reply names.

    Labels match as whole words in any case, and where they contain each other the longer one counts. An option letter,
    as in the labels "(A)" and "A", matches "(A)" anywhere, "A)" and "A." at the start of a line, "option A" anywhere,
    and a bare capital only as a line of its own or right after an answer cue: the article "a" never counts.

    Rules: ``first`` and ``last`` take the first and last label named; ``line`` asks that the whole reply be one label;
    ``default`` leaves out what goes through the choices, see :meth:`without_choices`, and of the rest takes

    1. after an answer cue ("answer is", "answer:", "I choose", "####"; the last one that a label follows), the last
       label named in the first line that names one: what comes below is explanation;
    2. else the only label named;
    3. else the one in the first line, if only one is named there, or in its first sentence, or in that up to a reason
       or a reservation ("because", "as", "although", "but it may");
    4. else none.

    A label that the reply calls wrong does not count there, and one that it calls wrong in the end is no answer: "(B)
    is wrong". Nor does "positive" count in "a more positive tone" and in "more negative than positive".
    """

    labels: tuple[str, ...]
    rule: Rule = "default"
    _known: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The labels, those that differ only in case or white space once; longest first."""
    _anywhere: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _after_cue: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_key = {label_key(label): label for label in reversed(self.labels)}  # of equal labels the first stays
        known = tuple(sorted(by_key.values(), key=lambda label: (-len(label), label)))
        forms = [_forms(label) for label in known]
        after_cue = [_letter_after_cue(label) + form for label, form in zip(known, forms, strict=True)]
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_anywhere", _pattern(forms))
        object.__setattr__(self, "_after_cue", _pattern(after_cue))

    def read(self, reply: str) -> str | None:
        """The label that ``reply`` names, as it stands in ``labels``; None if it names none or cannot be told."""
        if (whole := self._whole(reply)) or self.rule == "line":
            return whole
        if self.rule == "default":
            return self._default(self.without_choices(reply))
        named = self._named(self._anywhere, reply)
        return named[0 if self.rule == "first" else -1] if named else None

    def names_any(self, reply: str) -> bool:
        """Whether ``reply`` names a label at all."""
        return bool(self._anywhere.search(reply))

    def without_choices(self, reply: str) -> str:
        """``reply`` without the places that name several labels only to say what there is to choose from.

        These are labels joined by "or", "and", "nor" or "/", or three and more with commas; and lists whose lines are
        headed by one label each: option letters in order, or words with a colon or in marked lines.
        """
        text = "\n".join(self._without_lists(reply.split("\n")))
        for start, end in reversed(list(self._named_together(text))):
            text = text[:start] + " " * (end - start) + text[end:]
        return text

    def _default(self, reply: str) -> str | None:
        mentions = [(match, bool(_DENIES.match(reply, match.end()))) for match in self._anywhere.finditer(reply)]
        in_the_end = {match.lastindex: denied for match, denied in mentions}
        for match, denied in mentions:
            if denied:
                reply = reply[: match.start()] + " " * len(match[0]) + reply[match.end() :]
        found = self._affirmed(reply)
        taken_back = {self._known[index - 1] for index, denied in in_the_end.items() if index and denied}
        return None if found in taken_back else found

    def _affirmed(self, reply: str) -> str | None:
        if found := self._cued(reply) or self._only(self._named(self._anywhere, reply)):
            return found
        line = next(iter(lines_of(reply)), "")
        sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
        for text in (line, sentence, _ASIDE.split(sentence, maxsplit=1)[0]):
            if found := self._only(self._named(self._anywhere, text)):
                return found
        return None

    def _named_together(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each run of joined labels in which more than one is named."""
        run: list[re.Match[str]] = []
        joined = False
        for match in (*self._anywhere.finditer(text), None):
            between = _BETWEEN_LABELS.fullmatch(text[run[-1].end() : match.start()]) if run and match else None
            if between is None or match is None:
                if len({one.lastindex for one in run}) > 1 and (joined or len(run) > 2):
                    yield run[0].start(), run[-1].end()
                run, joined = [match] if match else [], False
            else:
                run.append(match)
                joined = joined or between["word"] is not None or "/" in between[0]

    def _without_lists(self, lines: list[str]) -> list[str]:
        """``lines`` without those that are headed by labels one after the other."""
        kept: list[str] = []
        block: list[str] = []
        last: str | None = None
        for line in (*lines, ""):
            head = self._heading(line)
            if last is None or head is None or not _may_follow(last, head):
                kept += block if len(block) < 2 else [""] * len(block)
                block = []
            if head is None:
                kept.append(line)
            else:
                block.append(line)
            last = head
        return kept[:-1]

    def _heading(self, line: str) -> str | None:
        """The label that ``line`` starts with as a line of a list would, or None."""
        bare = _ITEM_MARK.sub("", line, count=1).lstrip(" \t*_`")
        match = self._anywhere.match(bare)
        if match is None or match.lastindex is None:
            return None
        label = self._known[match.lastindex - 1]
        listed = option_letter(label) or _ITEM_MARK.match(line) or _HEADING_END.match(bare, match.end())
        return label if listed else None

    def _whole(self, reply: str) -> str | None:
        """The label that is the whole reply, marks at its ends aside."""
        key, bare = label_key(reply), _bare(reply)
        for label in self._known:
            if label_key(label) == key:
                return label
        return self._only([label for label in self._known if bare and _bare(label) == bare])

    def _cued(self, reply: str) -> str | None:
        for rest in what_follows_cues(reply):
            for line in lines_of(rest):
                if named := self._named(self._after_cue, line):
                    return named[-1]
        return None

    def _named(self, pattern: re.Pattern[str], text: str) -> list[str]:
        """The labels named in ``text``, in order, with repetitions."""
        return [self._known[match.lastindex - 1] for match in pattern.finditer(text) if match.lastindex]

    @staticmethod
    def _only(named: list[str]) -> str | None:
        return named[0] if len(set(named)) == 1 else None


def _may_follow(last: str, label: str) -> bool:
    """Whether the line after the one headed ``last`` may belong to the same list: letters come in their order."""
    letters = option_letter(last), option_letter(label)
    if letters[0] and letters[1]:
        return letters[0] < letters[1]
    return letters == (None, None) and label != last


def _pattern(forms: list[list[str]]) -> re.Pattern[str]:
    """One group per label: the number of the group that matched is the label's."""
    return re.compile("|".join(f"({'|'.join(alternatives)})" for alternatives in forms), re.MULTILINE)


def _forms(label: str) -> list[str]:
    """Patterns for ``label`` anywhere in a text."""
    letter = option_letter(label)
    if letter is None:
        return [_word_form(label)]
    either = f"[{letter}{letter.lower()}]"
    return [
        rf"(?<![^\W_])\(\s*{either}\s*\)",
        rf"[\[{{]\s*{letter}\s*[\]}}]",  # as in LaTeX's \boxed{A}
        rf"^{MARKS}(?:{either}\)|{letter}[.:])(?=\s|$|[*_])",
        rf"^{MARKS}{letter}{_END_MARKS}$",
        rf"(?i:\b(?:option|choice))\s+{letter}{_NOT_BEFORE_WORD}",
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


def _letter_after_cue(label: str) -> list[str]:
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
