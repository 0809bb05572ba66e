"""Instruction induction (Honovich et al. 2022): 24 small tasks on which APE (Zhou et al. 2023) was first tried."""

from __future__ import annotations

from promptdescent.tasks.benchmarks.bbh import NUMBER, two_words
from promptdescent.tasks.benchmarks.read_row import input_and_answer
from promptdescent.tasks.benchmarks.suite import METRICS, BenchmarkTask, Kind, Suite
from promptdescent.tasks.splits import SplitSizes

SIZES = SplitSizes(train=48, dev=48, test=144)
"""The GPO paper does not use this suite: these are the sizes that it has for most tasks of BBH. Tasks that have fewer
rows are shared out in the same ratio.
"""

_EXACT = {
    "active_to_passive": "turn a sentence into the passive",
    "antonyms": "give a word of the opposite meaning",
    "cause_and_effect": "say which of two sentences is the cause",
    "first_word_letter": "give the first letter of a word",
    "larger_animal": "name the larger one of two animals",
    "letters_list": "spell a word with spaces between its letters",
    "negation": "negate a sentence",
    "num_to_verbal": "write a number in words",
    "rhymes": "give a word that rhymes",
    "second_word_letter": "give the second letter of a word",
    "sentence_similarity": "grade how alike two sentences are",
    "singular_to_plural": "give the plural of a noun",
    "synonyms": "give a word of the same meaning",
    "translation_en-de": "translate a word into German",
    "translation_en-es": "translate a word into Spanish",
    "translation_en-fr": "translate a word into French",
    "word_in_context": "say whether a word means the same in two sentences",
}
_NUMBERS = {"diff": "subtract one number from another", "sum": "add two numbers"}
_WORD_SETS = {
    "orthography_starts_with": "give the words of a sentence that begin with a letter",
    "taxonomy_animal": "give the words of a list that are animals",
}
_FREE = {"common_concept": "say what several things have in common", "informal_to_formal": "write a sentence formally"}
_SENTIMENT = ("positive", "negative")


def _task(
    name: str, kind: Kind, about: str, *, metric: str, bare_answer: str = "", answers: tuple[str, ...] = ()
) -> BenchmarkTask:
    return BenchmarkTask(
        name=name,
        kind=kind,
        metric=metric,
        reference_metric=metric,  # GPO's code has no way of its own to read these
        sizes=SIZES,
        about=about,
        bare_answer=bare_answer,
        answers=answers,
    )


_ONLY = "Now give only your final answer, and nothing else."
_TASKS = (
    *(_task(name, "exact", about, metric=METRICS["exact"], bare_answer=_ONLY) for name, about in _EXACT.items()),
    *(_task(name, "number", about, metric=METRICS["number"], bare_answer=NUMBER) for name, about in _NUMBERS.items()),
    # The authors score these two by the set of words, whatever their order, and the last two by shared words.
    *(_task(name, "words", about, metric="list:same", bare_answer=_ONLY) for name, about in _WORD_SETS.items()),
    *(_task(name, "rouge-l", about, metric="rouge-l") for name, about in _FREE.items()),
    _task(
        "sentiment",
        "choice",
        "say whether a review is positive or negative",
        metric=METRICS["choice"],
        bare_answer=two_words(*_SENTIMENT),
        answers=_SENTIMENT,
    ),
)

INSTRUCTION_INDUCTION = Suite(
    name="instruction_induction",
    title="Instruction induction",
    tasks={task.name: task for task in sorted(_TASKS, key=lambda task: task.name)},
    licence="MIT",
    layout="file-per-task",
    read_row=input_and_answer,
    how_to_get=(
        "write the raw rows of the repository keirp/automatic_prompt_engineer on GitHub "
        "(experiments/data/instruction_induction) as TASK.jsonl with input and output"
    ),
)
