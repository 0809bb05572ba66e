"""The meta-prompt as worked pairs, for a small model that continues text but does not follow instructions.

Each pair is a job of another kind, done: a rewrite, an instruction found, a problem named. The job at hand follows in
the same form and breaks off where the answer is to be written; the reply ends with its line. A small model copies
form much better than it obeys, so the labels of a choice stand once more at the beginning of the line that it
completes.
"""

from __future__ import annotations

from dataclasses import dataclass

from promptdescent.parts.meta_prompt import MetaPrompt
from promptdescent.parts.raw_job import RawJob, joined_lines, mistake_lines, one_line, row_lines

AIM = 97
"""The score beside the rewrite that is asked for: higher than any that is shown."""


@dataclass(frozen=True, kw_only=True)
class WorkedPair:
    """A job that is done: a rewrite that helped, and what else can be asked about it."""

    labels: tuple[str, ...]
    row: tuple[str, str]
    """An input and its answer."""
    wrong: str
    """What was answered under ``before``."""
    before: str
    score: int
    problem: str
    """What is wrong with ``before``."""
    words: int
    """The word budget."""
    after: str
    score_after: int
    paraphrase: str
    """``after`` in other words."""


WORKED_PAIRS: tuple[WorkedPair, ...] = (
    WorkedPair(
        labels=("spam", "safe"),
        row=("You won a cruise", "spam"),
        wrong="It is about a cruise.",
        before="What does this email say?",
        score=7,
        problem="It does not ask for spam or safe.",
        words=15,
        after="Is this email spam or safe? Answer with one word.",
        score_after=93,
        paraphrase="Say in one word whether this email is spam or safe.",
    ),
    WorkedPair(
        labels=("true", "false"),
        row=("Ice is hot", "false"),
        wrong="I think ice is interesting.",
        before="What do you think about the claim?",
        score=12,
        problem="It asks for thoughts and not for true or false.",
        words=20,
        after="Is this claim true or false? Answer with one word.",
        score_after=90,
        paraphrase="Decide whether this claim is true or false, in one word.",
    ),
    WorkedPair(
        labels=("question", "statement"),
        row=("Where is it", "question"),
        wrong="A short line.",
        before="What kind of line is it?",
        score=5,
        problem="It does not say which kinds there are.",
        words=12,
        after="Is this line a question or a statement? Answer with one word.",
        score_after=95,
        paraphrase="In one word: is this line a question or a statement?",
    ),
)


def render_few_shot(meta_prompt: MetaPrompt) -> str:
    """The text to continue."""
    job = RawJob.of(meta_prompt)
    pairs = (f"{_render(_done(pair, job), aim=pair.score_after)} {_answer(pair, job)}" for pair in WORKED_PAIRS)
    return "\n\n".join([*pairs, _render(job, aim=AIM)])


def _done(pair: WorkedPair, like: RawJob) -> RawJob:
    """The worked pair with just what ``like`` shows too."""
    shown: tuple[tuple[str, str], ...] = ((pair.before, str(pair.score)), (pair.after, str(pair.score_after)))
    if like.joins == "prompts":
        shown = ((pair.before, ""), shown[1])  # nobody has scored a summary
    elif like.joins == "reflections":
        shown = ((pair.problem, ""), ("It leaves open in which form to answer.", ""))
    else:
        shown = shown[1:] if like.verb == "paraphrase" else shown[:1]
    if like.scored and not like.scored[-1][1]:
        shown = tuple((text, "") for text, _ in shown)
    return RawJob(
        verb=like.verb,
        labels=pair.labels if like.labels else (),
        rows=(pair.row,) if like.rows else (),
        mistakes=((pair.row[0], pair.wrong, pair.row[1]),) if like.mistakes else (),
        scored=shown,
        problem=pair.problem if like.problem else "",
        joins=like.joins,
        words=pair.words if like.words is not None else None,
    )


def _answer(pair: WorkedPair, like: RawJob) -> str:
    """How the line of a worked pair goes on."""
    if like.verb == "reflect":
        return pair.problem
    if like.joins == "reflections":
        return f"{pair.problem} It also leaves open in which form to answer."
    return pair.paraphrase if like.verb == "paraphrase" else pair.after


def _render(job: RawJob, *, aim: int) -> str:
    """All but the answer. ``aim``: the score beside a rewrite."""
    match job.verb:
        case "paraphrase":
            limit = f", at most {job.words} words changed" if job.words is not None else ""
            return joined_lines(one_line(job.scored[-1][0]), f"The same in other words{limit}:")
        case "induce":
            return joined_lines(_labels(job), *row_lines(job), f"Instruction:{_labels_again(job)}")
        case "reflect":
            return joined_lines(one_line(job.scored[-1][0]), *mistake_lines(job), "Problem:")
        case "summarize":
            return joined_lines(*_prompts(job), "Both in one prompt:" if job.joins == "prompts" else "All problems:")
    limit = f" in {job.words} words" if job.words is not None else ""
    word = "Better" if job.verb == "write" else "Edited"
    return joined_lines(
        _labels(job),
        *row_lines(job),
        *_prompts(job),
        f"Problem: {one_line(job.problem)}" if job.problem else "",
        f"{word}{limit} ({aim}):{_labels_again(job)}",
    )


def _labels(job: RawJob) -> str:
    return ", ".join(job.labels)


def _labels_again(job: RawJob) -> str:
    return f" {' or '.join(job.labels)}?" if job.labels else ""


def _prompts(job: RawJob) -> list[str]:
    return [f"{one_line(text)} ({score})" if score else one_line(text) for text, score in job.scored]
