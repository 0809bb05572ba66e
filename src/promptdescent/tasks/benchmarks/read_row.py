"""A question and its answer from one row, for each form in which the benchmarks are published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from promptdescent.tasks.files import Row

_AFTER_MARK = re.compile(r"####\s*(\S.*?)\s*$", re.MULTILINE)


def input_and_answer(row: Row) -> tuple[str, str | Sequence[str]]:
    """Columns ``input`` and ``target`` (or ``output``): a text, or a list of texts that are all right."""
    return _text(row.columns, "input"), _answer(row.columns)


def worked_solution(row: Row) -> tuple[str, str]:
    """Columns ``question`` and ``answer``, as in GSM8K: the answer is what follows the last ``####``."""
    found: list[str] = _AFTER_MARK.findall(_text(row.columns, "answer"))
    if not found:
        raise ValueError("the column 'answer' has no '#### N', after which the right answer stands")
    return _text(row.columns, "question"), found[-1]


def four_choices(row: Row) -> tuple[str, str]:
    """Columns ``question``, ``choices`` and ``answer``, as in MMLU: a letter, or an index from 0."""
    choices = row.columns.get("choices")
    if not isinstance(choices, list | tuple) or not 2 <= len(choices) <= len(ascii_uppercase):
        raise ValueError("the column 'choices' is no list of 2 to 26 options")
    letters = ascii_uppercase[: len(choices)]
    answer = row.columns.get("answer")
    if isinstance(answer, str) and not answer.strip().isdecimal():
        letter = answer.strip().strip("()").upper()
        index = letters.find(letter) if len(letter) == 1 else -1
    elif isinstance(answer, int | str) and not isinstance(answer, bool):
        index = int(answer)
    else:
        index = -1
    if not 0 <= index < len(choices):
        raise ValueError(f"the answer {answer!r} is none of the {len(choices)} choices (an index from 0, or a letter)")
    return with_options(_text(row.columns, "question").strip(), [str(choice) for choice in choices]), letters_of(index)


def pronoun(row: Row) -> tuple[str, str | Sequence[str]]:
    """A Winograd schema: ``input`` and ``output``, or the columns of the original collection."""
    if "input" in row.columns:
        return input_and_answer(row)
    options, label = row.columns.get("options"), row.columns.get("label")
    if not isinstance(options, list | tuple) or not options:
        raise ValueError("neither the column 'input' nor a list in the column 'options'")
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(options):
        raise ValueError(f"the label {label!r} is none of the {len(options)} options (an index from 0)")
    question = f"{_text(row.columns, 'text')}\nWho or what is meant by '{_text(row.columns, 'pronoun')}' here?"
    return with_options(question, [str(option) for option in options]), letters_of(label)


def lists_triples(row: Row) -> bool:
    """Whether the row has its triples as a list, as the hub's rows do: there, each reference may have its own row."""
    return isinstance(row.columns.get("input"), list | tuple)


def triples(row: Row) -> tuple[str, str | Sequence[str]]:
    """Facts to put into words: ``input`` and ``output``, or a list of triples with ``target`` and ``references``."""
    facts = row.columns["input"] if lists_triples(row) else None
    if not isinstance(facts, list | tuple):
        return input_and_answer(row)
    if not facts:
        raise ValueError("the column 'input' has no triples")
    lines = "\n".join(str(fact) for fact in facts)
    references = row.columns.get("references") or [row.columns.get("target")]
    answer = _answer({"output": references})
    return f"Put these facts (subject | relation | object) into fluent English:\n{lines}", answer


def with_options(question: str, options: Sequence[str]) -> str:
    """The question with its options below it, one per line after its letter."""
    lines = (f"{letters_of(index)} {option.strip()}" for index, option in enumerate(options))
    return "\n".join((question, *lines))


def letters_of(index: int) -> str:
    """``(A)`` for 0, ``(B)`` for 1, and so on."""
    return f"({ascii_uppercase[index]})"


def _text(columns: Mapping[str, object], name: str) -> str:
    value = columns.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"no text in the column {name!r}")
    return value


def _answer(columns: Mapping[str, object]) -> str | Sequence[str]:
    name = "target" if "target" in columns else "output"
    value = columns.get(name)
    if isinstance(value, list | tuple):
        texts = [str(item).strip() for item in value if item is not None and str(item).strip()]
        if texts:
            return texts
    elif value is not None and str(value).strip():
        return str(value).strip()
    raise ValueError(f"no right answer in the column {name!r} ('target' or 'output')")
