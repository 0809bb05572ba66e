"""The meta-prompt as the prompt writer was trained on it (``training/``): a form, completed as raw text.

The writer is an adapter of the embedded model. It was trained on this form, so that nothing has to be explained and no
worked pair shown: a request is less than half as long as in few-shot style. A change of a single word here is a change
of what the writer was trained for, and needs a new training.
"""

from __future__ import annotations

from promptdescent.parts.meta_prompt import MetaPrompt
from promptdescent.parts.raw_job import RawJob, joined_lines, mistake_lines, one_line, row_lines
from promptdescent.parts.sections import Verb

MOST_ROW_WORDS = 40
"""Words of an input that are shown; the rest of a longer one says little about what the job is."""

_ASKED_FOR: dict[Verb, str] = {
    "write": "Better",
    "modify": "Edited",
    "paraphrase": "In other words",
    "induce": "Instruction",
    "reflect": "Problem",
    "summarize": "All problems",
}


def render_writer(meta_prompt: MetaPrompt) -> str:
    """The text to continue with one line."""
    return render_form(RawJob.of(meta_prompt))


def render_form(job: RawJob) -> str:
    """Answers, rows, mistakes, past prompts from first to last with their scores, the current prompt, its problem, and
    what is asked for with its word budget. What a job does not say has no line.
    """
    *past, current = job.scored or (("", ""),)
    limit = f", {job.words} words changed at most" if job.words is not None else ""
    return joined_lines(
        f"Answers: {', '.join(job.labels)}" if job.labels else "",
        *row_lines(job, most_words=MOST_ROW_WORDS),
        *mistake_lines(job, most_words=MOST_ROW_WORDS),
        *(_prompt("Past", text, score) for text, score in past),
        _prompt("New" if job.joins else "Current", *current) if current[0] else "",
        f"Problem: {one_line(job.problem)}" if job.problem else "",
        f"{'Both in one' if job.joins == 'prompts' else _ASKED_FOR[job.verb]}{limit}:",
    )


def _prompt(which: str, text: str, score: str) -> str:
    return f"{which} ({score}): {one_line(text)}" if score else f"{which}: {one_line(text)}"
