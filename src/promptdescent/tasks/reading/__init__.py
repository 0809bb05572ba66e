"""Reading an answer from a model's reply: what follows an answer cue, one of several labels, or a number."""

from promptdescent.tasks.reading.choices import RULES, ChoiceReader, Rule, label_key
from promptdescent.tasks.reading.cues import MARKS, OUTER, after_cue, lines_of, what_follows_cues, without_new_example
from promptdescent.tasks.reading.numbers import parse_number, read_number
from promptdescent.tasks.reading.options import read_option_text

__all__ = [
    "MARKS",
    "OUTER",
    "RULES",
    "ChoiceReader",
    "Rule",
    "after_cue",
    "label_key",
    "lines_of",
    "parse_number",
    "read_number",
    "read_option_text",
    "what_follows_cues",
    "without_new_example",
]
