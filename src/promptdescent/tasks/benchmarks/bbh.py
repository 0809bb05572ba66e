"""BIG-Bench Hard (Suzgun et al. 2022): 27 tasks that were hard for the models of its time."""

from __future__ import annotations

from promptdescent.tasks.benchmarks.read_row import input_and_answer
from promptdescent.tasks.benchmarks.suite import METRICS, REFERENCE_METRICS, BenchmarkTask, HubSource, Kind, Suite
from promptdescent.tasks.splits import SplitSizes

_SIZES = SplitSizes(train=48, dev=48, test=144)
_OTHER_SIZES = {
    "causal_judgement": SplitSizes(train=35, dev=35, test=107),
    "penguins_in_a_table": SplitSizes(train=27, dev=27, test=82),
    "snarks": SplitSizes(train=33, dev=33, test=102),
}

_CHOICES = {
    "date_understanding": "find a date from what is said about other days",
    "disambiguation_qa": "say whom a pronoun means, or that it is unclear",
    "geometric_shapes": "name the shape that an SVG path draws",
    "hyperbaton": "choose the sentence whose adjectives stand in the right order",
    "logical_deduction_five_objects": "order five objects from clues",
    "logical_deduction_seven_objects": "order seven objects from clues",
    "logical_deduction_three_objects": "order three objects from clues",
    "movie_recommendation": "choose the film that is most like the given ones",
    "penguins_in_a_table": "answer a question about a small table",
    "reasoning_about_colored_objects": "answer a question about objects and their colours",
    "ruin_names": "choose the funny one-letter change of a name",
    "salient_translation_error_detection": "say which kind of error a translation has",
    "snarks": "choose the sarcastic one of two sentences",
    "temporal_sequences": "find when somebody could have been somewhere",
    "tracking_shuffled_objects_five_objects": "follow five objects through swaps",
    "tracking_shuffled_objects_seven_objects": "follow seven objects through swaps",
    "tracking_shuffled_objects_three_objects": "follow three objects through swaps",
}
_TWO_WORDS = {
    "boolean_expressions": (("True", "False"), "work out a Boolean expression"),
    "causal_judgement": (("Yes", "No"), "say how most people would judge a cause"),
    "formal_fallacies": (("valid", "invalid"), "say whether an argument follows from its premises"),
    "navigate": (("Yes", "No"), "say whether a walk ends where it began"),
    "sports_understanding": (("yes", "no"), "say whether a sentence about sports is plausible"),
    "web_of_lies": (("Yes", "No"), "say whether the last of several people tells the truth"),
}
_OTHERS: dict[str, tuple[Kind, str]] = {
    "dyck_languages": ("brackets", "close all brackets that are open"),
    "multistep_arithmetic_two": ("number", "work out an arithmetic expression"),
    "object_counting": ("number", "count the things of one sort in a list"),
    "word_sorting": ("words", "sort words by the alphabet"),
}

LETTER = "Now give only your final answer: the letter of the option, in brackets, such as (A)."
NUMBER = "Now give only your final answer, as one number."
_BARE_ANSWERS: dict[Kind, str] = {
    "choice": LETTER,
    "number": NUMBER,
    "brackets": "Now give only your final answer: the closing brackets that were missing, in their order.",
    "words": "Now give only your final answer: the sorted words on one line, with a space between each two.",
}


def two_words(first: str, second: str) -> str:
    """The turn that asks for one of two words."""
    return f"Now give only your final answer, in one word: {first} or {second}."


def _task(name: str, kind: Kind, about: str, answers: tuple[str, ...] = ()) -> BenchmarkTask:
    return BenchmarkTask(
        name=name,
        kind=kind,
        metric=METRICS[kind],
        reference_metric=REFERENCE_METRICS[kind],
        sizes=_OTHER_SIZES.get(name, _SIZES),
        about=about,
        bare_answer=two_words(*answers) if answers else _BARE_ANSWERS[kind],
        answers=answers,
    )


_TASKS = (
    *(_task(name, "choice", about) for name, about in _CHOICES.items()),
    *(_task(name, "boolean", about, answers) for name, (answers, about) in _TWO_WORDS.items()),
    *(_task(name, kind, about) for name, (kind, about) in _OTHERS.items()),
)

BBH = Suite(
    name="bbh",
    title="BIG-Bench Hard",
    tasks={task.name: task for task in sorted(_TASKS, key=lambda task: task.name)},
    licence="MIT",
    layout="file-per-task",
    read_row=input_and_answer,
    hub=HubSource(id="SaylorTwift/bbh", config="{task}", splits={"test": None}),
    how_to_get="take the folder bbh of the repository suzgunmirac/BIG-Bench-Hard on GitHub (27 files TASK.json)",
)
