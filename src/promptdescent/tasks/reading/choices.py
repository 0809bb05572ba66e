"""One of several labels, found in a reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from promptdescent.tasks.reading.cues import (
    DASHES,
    MARKS,
    OUTER,
    QUOTES,
    announced,
    blanked,
    lines_of,
    what_follows_cues,
)
from promptdescent.tasks.reading.label_forms import (
    ADVERB,
    label_forms,
    label_key,
    letter_after_cue,
    one_group_each,
    option_letter,
)

Rule = Literal["default", "first", "last", "line"]
"""How a choice is read: see :class:`ChoiceReader`."""

RULES: tuple[Rule, ...] = get_args(Rule)

# "Is it positive, negative or neutral?": what may stand between labels that are named together.
_BETWEEN_LABELS = re.compile(
    rf"[{QUOTES}*_`\s]*(?:,|/|(?:,\s*)?\b(?P<word>or|and|nor)\b)[{QUOTES}*_`\s]*(?:\(\s*(?:not\s+)?)?", re.IGNORECASE
)
_ITEM_MARK = re.compile(r"\s*(?:[-*\u2022\u2013]|\(?\d{1,3}[.)])\s+")
_HEADING_END = re.compile(rf"[*_`{QUOTES}]*\s*[:{DASHES}-]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\s*_`\"')]")
# Where a sentence has said what is so, and goes on to say why, or what speaks against it, or what may be so as well.
_ASIDE = re.compile(
    r"\b(?:because|since|(?<=, )as|although|(?:even )?though|despite|whereas|unless)\b"
    r"|\b(?:but|yet|and)\s+(?:\w+\s+)?(?:can|could|may|might)\b",
    re.IGNORECASE,
)
# "(B) tin": up to five words behind a label belong to it.
_WITH_TEXT = (
    rf"[{QUOTES}*_`)\s]*"
    r"(?:[ \t]+(?!(?:because|since|as|for|while|whereas|if|that|which|and|but|so|is|are)\b)[^\s.,;:!?]+){0,5}?"
    rf"[{QUOTES}*_`]*[ \t]+"
)
_CHOSEN = r"(?:answer|option|choice|label|category|class(?:ification)?|one|fit|match|description)\b"
# "(B) is not the right one", "(B) tin isn't a suitable answer".
_DENIES = re.compile(
    rf"{_WITH_TEXT}(?:(?:is|are|was|were)(?:\s+not|n['\u2019]t)\s+(?:(?:the|an?)\s+)?"
    rf"(?:(?:correct|right)\b|(?:\w+[ \t]+){{0,2}}{_CHOSEN})|(?:is|are)\s+(?:incorrect|wrong)\b)",
    re.IGNORECASE,
)
# "The text is neutral. The tone is positive": two labels for the whole.
_OF_THE_WHOLE = re.compile(
    r"(?:\A|[.!?\n]\s*)(?:it|this|the\s+(?:overall\s+)?(?:text|tone|sentiment|review|sentence|statement|message|mood))"
    r"\s+is\s+(?:an?\s+)?(?:\w+ly\s+)?[*_`]*\Z",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\bnot|n['\u2019]t|\brather\s+than|\binstead\s+of|\bunlike)\s+(?:(?:an?|the)\s+)?"
    r"(?:(?:option|choice)\s+|(?:(?:\w+\s+)?of|about|related\s+to)\s+(?:(?:an?|the)\s+)?)?"
    rf"[*_`{QUOTES}]*\Z",
    re.IGNORECASE,
)
# "(B) is the correct answer", "negative is the most fitting label": what is announced stands in front.
_IS_CHOSEN = re.compile(
    rf"{_WITH_TEXT}(?:is|seems|would\s+be|remains|must\s+be)\s+(?:{ADVERB}\s+)?(?:(?:the|an?|my)\s+)?"
    rf"(?:(?:correct|right)\b|(?:best|only|most[ \t]+\w+|more[ \t]+\w+|final)\s+(?:\w+[ \t]+)?{_CHOSEN})",
    re.IGNORECASE,
)

# "So it is (C)", "..., the overall tone is negative".
_CONCLUDES = re.compile(
    r"(?:\A|[.!?;,\n])[\s*_`]*(?:(?:but|and)\s+)?(?:so(?!\s+(?:far|much|many|that)\b)|therefore|thus|hence"
    r"|(?:the\s+)?overall|in\s+conclusion)\b",
    re.IGNORECASE,
)

# "Not spam.", "It is not spam": nothing else is said of the whole, and of what is announced nothing but a reason.
_NOT_IT = re.compile(rf"{MARKS}(?:(?:it|this|that)\s+is\s+)?not\s+(?:(?:an?|the)\s+)?[*_`{QUOTES}]*", re.IGNORECASE)
_REASON = re.compile(rf"[*_`{QUOTES})]*(?:\s*\Z|[.!;\n]|,?\s+(?:because|since|as|for)\b)")

_REACH = 60
"""Characters in front of a label that may say something of it."""


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
       label named in the first line that names one, up to a reason or a reservation ("because", "although", "but it
       may"): what comes below is explanation;
    2. else the only label that the last sentence names behind "so", "therefore", "thus", "hence" or "overall";
    3. else the last label that is called the right or best one, as in "(B) is the correct answer";
    4. else the only label named;
    5. else the one in the first line, if only one is named there, or in its first sentence, or in that up to a reason
       or a reservation;
    6. else none.

    Of two labels that are no letters, an announced answer "not spam" is the other one, and so is a whole reply "not
    spam". Else a label that the reply calls wrong, or has a "not" in front of, does not count there, and one that it
    calls wrong in the end is no answer: "(B) is wrong". Nor does "positive" count in "a more positive tone" and in
    "more negative than positive".
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
        forms = [label_forms(label) for label in known]
        after_cue = [letter_after_cue(label) + form for label, form in zip(known, forms, strict=True)]
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_anywhere", one_group_each(forms))
        object.__setattr__(self, "_after_cue", one_group_each(after_cue))

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
        return blanked(text, self._named_together(text))

    def _default(self, reply: str) -> str | None:
        mentions = [(match, self._has_behind(match, _DENIES)) for match in self._anywhere.finditer(reply)]
        if len(self._known) == 2 and (other := self._other(reply)):
            return other
        in_the_end = {match.lastindex: denied for match, denied in mentions}
        wrong = (match.span() for match, denied in mentions if denied or _DENIED.search(_before(match)))
        found = self._affirmed(blanked(reply, wrong))
        taken_back = {self._known[index - 1] for index, denied in in_the_end.items() if index and denied}
        return None if found in taken_back else found

    def _other(self, reply: str) -> str | None:
        """Of two labels the one that is left where the last announced answer or the whole reply is "not" the other."""
        behind = next((rest for rest in what_follows_cues(reply) if self.names_any(rest)), None)
        said = reply if behind is None else behind
        start = _NOT_IT.match(said)
        label = self._anywhere.match(said, start.end()) if start else None
        end = _REASON.match(said, label.end()) if label else None
        if label is None or label.lastindex is None or end is None or option_letter(label[0]):
            return None
        if behind is None and said[end.end() :].strip(OUTER):
            return None
        return self._known[2 - label.lastindex]

    def _affirmed(self, reply: str) -> str | None:
        if said := announced(reply, self._announced):
            return self._only(said)
        if found := self._concluded(reply) or self._chosen(reply) or self._only(self._named(self._anywhere, reply)):
            return found
        if len(self._of_the_whole(reply)) > 1:
            return None
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
        mark = _ITEM_MARK.match(line)
        bare = line[mark.end() if mark else 0 :].lstrip(" \t*_`")
        match = self._anywhere.match(bare)
        if match is None or match.lastindex is None:
            return None
        label = self._known[match.lastindex - 1]
        listed = option_letter(label) or mark or _HEADING_END.match(bare, match.end())
        return label if listed else None

    def _whole(self, reply: str) -> str | None:
        """The label that is the whole reply, marks at its ends aside."""
        key, bare = label_key(reply), _bare(reply)
        for label in self._known:
            if label_key(label) == key:
                return label
        return self._only([label for label in self._known if bare and _bare(label) == bare])

    def _announced(self, rest: str) -> str | None:
        """The label that what follows a cue names."""
        for line in lines_of(rest):
            for said in (_ASIDE.split(line, maxsplit=1)[0], line):
                if named := self._named(self._after_cue, said):
                    return named[-1]
        return None

    def _has_behind(self, label: re.Match[str], said: re.Pattern[str]) -> bool:
        """Whether ``said`` follows a label, and no other label stands between."""
        found = said.match(label.string, label.end())
        return found is not None and not self._anywhere.search(label.string, label.end(), found.end())

    def _of_the_whole(self, reply: str) -> set[str]:
        """The labels that the reply says the whole text, or its tone, to be."""
        named = [match for match in self._anywhere.finditer(reply) if _OF_THE_WHOLE.search(_before(match))]
        return {self._known[match.lastindex - 1] for match in named if match.lastindex}

    def _concluded(self, reply: str) -> str | None:
        """The only label that the last sentence names behind its last "so" or "overall", up to a reason if need be."""
        last = [one for one in _SENTENCE_END.split((lines_of(reply) or [""])[-1]) if one.strip(OUTER)][-1:]
        starts = [match.start() for match in _CONCLUDES.finditer("".join(last))]
        said = last[0][starts[-1] :] if starts else ""
        parts = (_ASIDE.split(said, maxsplit=1)[0], said)
        return next(filter(None, (self._only(self._named(self._anywhere, part)) for part in parts)), None)

    def _chosen(self, reply: str) -> str | None:
        """The last label that the reply calls the right or best one."""
        found = [match for match in self._anywhere.finditer(reply) if self._has_behind(match, _IS_CHOSEN)]
        return self._known[found[-1].lastindex - 1] if found and found[-1].lastindex else None

    def _named(self, pattern: re.Pattern[str], text: str) -> list[str]:
        """The labels named in ``text``, in order, with repetitions."""
        return [self._known[match.lastindex - 1] for match in pattern.finditer(text) if match.lastindex]

    @staticmethod
    def _only(named: list[str]) -> str | None:
        return named[0] if len(set(named)) == 1 else None


def _before(match: re.Match[str]) -> str:
    """The few words in front of ``match``."""
    return match.string[max(0, match.start() - _REACH) : match.start()]


def _may_follow(last: str, label: str) -> bool:
    """Whether the line after the one headed ``last`` may belong to the same list: letters come in their order."""
    letters = option_letter(last), option_letter(label)
    if letters[0] and letters[1]:
        return letters[0] < letters[1]
    return letters == (None, None) and label != last
