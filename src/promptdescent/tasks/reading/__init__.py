"""Reading an answer from a model's reply: what follows an answer cue, one of several labels, or a number."""

from promptdescent.tasks.reading.choices import RULES, ChoiceReader, Rule
from promptdescent.tasks.reading.cues import (
    CUE,
    MARKS,
    MOST_CUES,
    OUTER,
    after_cue,
    announced,
    before_new_example,
    blanked,
    lines_of,
    what_follows_cues,
    without_new_example,
)
from promptdescent.tasks.reading.excerpts import excerpt
from promptdescent.tasks.reading.final_number import read_number
from promptdescent.tasks.reading.label_forms import label_key, option_letter
from promptdescent.tasks.reading.numbers import parse_number
from promptdescent.tasks.reading.options import read_option_text, without_heading
from promptdescent.tasks.reading.statements import affirms

__all__ = [
    "CUE",
    "MARKS",
    "MOST_CUES",
    "OUTER",
    "RULES",
    "ChoiceReader",
    "Rule",
    "affirms",
    "after_cue",
    "announced",
    "before_new_example",
    "blanked",
    "excerpt",
    "label_key",
    "option_letter",
    "lines_of",
    "parse_number",
    "read_number",
    "read_option_text",
    "what_follows_cues",
    "without_heading",
    "without_new_example",
]
