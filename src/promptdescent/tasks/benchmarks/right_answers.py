"""Which targets an answer can match."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from promptdescent.tasks.benchmarks.suite import BenchmarkTask
from promptdescent.tasks.reading import parse_number

_OPTION = re.compile(r"\(?([A-Za-z])\)?")
_CLOSING = re.compile(r"[\])}>](?:\s*[\])}>])*")


def right_answer(task: BenchmarkTask, answer: str | Sequence[str]) -> str | None:
    """The target of a row as the task's metric takes it; None where no answer could ever be right.

    Option letters get their brackets; several references become a JSON list of texts.
    """
    if not isinstance(answer, str):
        several = task.kind in ("exact", "rouge-l", "words")
        if several and (task.kind == "rouge-l" or len(answer) > 1):
            return json.dumps(list(answer), ensure_ascii=False)
        return right_answer(task, answer[0]) if len(answer) == 1 else None
    if task.answers:
        return answer if answer.casefold() in {word.casefold() for word in task.answers} else None
    match task.kind:
        case "choice":
            option = _OPTION.fullmatch(answer)
            return f"({option[1].upper()})" if option else None
        case "number":
            return answer if parse_number(answer) is not None else None
        case "brackets":
            return answer if _CLOSING.fullmatch(answer) else None
        case _:
            return answer
