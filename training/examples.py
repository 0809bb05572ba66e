"""What the writer learns from: the form that an optimizer sees, and instructions that measured better.

One *lesson* is one form with several good answers. That the same form has many good answers is what teaches the writer
to vary, and the form is computed once for all of them (``training.lora``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from promptdescent.parts.raw_job import RawJob
from promptdescent.parts.sections import Verb, shown_score
from promptdescent.parts.writer import render_form
from promptdescent.text import word_edit_distance
from training.jobs import Job
from training.scoring import Scored, best_of, meant, shown_rows

CLEARLY_BETTER = 0.2
"""By how much an answer's score exceeds that of the current prompt, at least: two rows of eight do, one does not."""

AS_GOOD = 0.05
"""How far an answer may lie below the best prompt that is shown. Less than a row of sixteen: it tells only for graded
answers.
"""

WORTH_WRITING = 0.25
"""Least score of an answer: the embedded model does few jobs well, and an instruction that makes it answer at all in
the form that is wanted is worth learning.
"""

NEAR_BEST = 0.6
"""Least share of the job's best score. The best of dozens on few rows is partly luck; with a bar near it, few answers
would be left, and the writer would learn them by heart.
"""

ABOVE_GUESSING = 0.15
"""By how much a job's best instructions exceed guessing where the task model can do the job. There an answer exceeds it
by half of that: it is no use to get an answer at all.
"""

MOST_ANSWERS = 3

GUESSING = 0.2
"""What a job weighs whose best instructions are as good as guessing; where they get all rows right, it is 1 more."""

COMMON = 20
"""Instructions that have an ending in common, from which on it is said how well they do."""

LEANING = 1000.0
"""How much more often an answer that gets all rows right is drawn than one that gets none right, and a current prompt
that has all words in common with a good one than one that has none.
"""

BUDGETS = (50, 48, 45, 40, 35, 30, 25, 20, 15, 12, 10)
"""Word budgets as schedules of the paper give them."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a request for a rewrite shows, as some recipe sends it."""

    share: float
    """Of all lessons."""
    verb: Verb
    past: tuple[int, ...] = (0,)
    """How many past prompts, each as likely."""
    scored: bool = True
    """Whether the current prompt has its score."""
    problem: bool = False
    budget: bool = False


SHAPES = (
    Shape(share=0.42, verb="write", past=(1, 2, 2, 2), budget=True),  # gpo
    Shape(share=0.12, verb="write", budget=True),  # gpo's first step
    Shape(share=0.08, verb="write", past=(2, 3, 5, 7)),  # opro
    Shape(share=0.06, verb="write", past=(1, 2), problem=True, budget=True),  # pe2:gpo-paper
    Shape(share=0.05, verb="write", scored=False, problem=True),  # pe2
    Shape(share=0.04, verb="write", scored=False),  # ape:gpo-paper
    Shape(share=0.05, verb="modify", scored=False, problem=True),  # apo
    Shape(share=0.04, verb="modify", problem=True),  # sgdm
    Shape(share=0.02, verb="modify", past=(1, 2), problem=True, budget=True),  # mixtures
)

OTHERS: tuple[tuple[str, float], ...] = (("paraphrase", 0.04), ("induce", 0.05), ("reflect", 0.02), ("summarize", 0.01))
"""Requests that are no rewrite, with their share."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A form to complete, and what completes it well."""

    job: str
    form: str
    answers: tuple[str, ...]


def worth_from(best: float) -> float:
    """Least score of an instruction that brings the task model to answer, where the job's best few have this one."""
    return max(WORTH_WRITING, NEAR_BEST * best)


def lessons(
    jobs: Sequence[Job], scores: Mapping[str, Sequence[Scored]], *, seed: int, count: int
) -> tuple[Lesson, ...]:
    """``count`` lessons, of the jobs that have something to teach, the more of a job the better its best
    instructions do in comparison with guessing. The same seed gives the same lessons.

    Raises ValueError if no job has an instruction that is worth writing.
    """
    chance = random.Random(seed)
    scored_jobs = [_ScoredJob(job, tuple(scores[job.name])) for job in jobs]
    scored_jobs = [one for one in scored_jobs if one.worthy]
    if not scored_jobs:
        raise ValueError("no job has two instructions that differ enough")
    wordings = (_Wordings(scored_jobs, opening), _Wordings(scored_jobs, lambda job, text: ending(text)))
    return tuple(_turns([_Teacher(one, wordings, chance) for one in scored_jobs], chance, count))


def ending(text: str) -> str:
    """The last sentence of an instruction, or what stands behind its last colon; empty where that is all of it."""
    *before, last = re.split(r"(?<=[.?!:]) ", text)
    return last if before else ""


def opening(job: Job, text: str) -> str:
    """What stands before the ending of an instruction, with a dot for each label of the job and for what an input is
    called there, so that openings of several jobs can be told to be the same.
    """
    own = sorted({*job.labels, job.noun} - {""}, key=len, reverse=True)
    before = text.removesuffix(ending(text)).strip()
    return re.sub("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in own), ".", before) if own else before


def shared_words(first: str, second: str) -> float:
    """Share of the words of two texts that both have, whatever their order: 1 if all are the same, 0 if none is."""
    words = [set(re.findall(r"\w+", text.lower())) for text in (first, second)]
    return 2 * len(words[0] & words[1]) / (len(words[0]) + len(words[1]))


class _ScoredJob:
    """What the scores of a job's instructions say: which are worth writing, and how much the job has to teach."""

    def __init__(self, job: Job, scored: tuple[Scored, ...]) -> None:
        self.job = job
        self.scored = scored
        self.good = meant(job, scored)
        self.best = best_of(job, scored)
        """What the task model can do in the job: the score of the best few instructions."""
        self._guessing = 1 / len(job.labels) if job.labels else 0.0
        self.least = worth_from(self.best)
        """Least score of an answer."""
        if self.best - self._guessing >= ABOVE_GUESSING:
            self.least = max(self.least, (self.best + self._guessing) / 2)
        self.worth = tuple(one for one in self.good if one.score >= self.least)
        """Instructions that are worth writing."""

    @property
    def share(self) -> float:
        """How often the job teaches, in comparison with others. Where the task model does no better than one that gives
        the same answer every time, all that is to be learned is how to get an answer at all.
        """
        return (GUESSING + max(0.0, self.best - self._guessing) / (1 - self._guessing)) ** 2

    @property
    def worthy(self) -> bool:
        """Whether some instruction is worth writing, and another is clearly worse than the best few."""
        return bool(self.worth) and self.best - min(one.score for one in self.scored) >= CLEARLY_BETTER


class _Wordings:
    """What common wordings are worth: the share of the job's best score that good instructions of that wording reach,
    in the mean over all jobs, each with its share. What one instruction does on a few rows is partly luck; what its
    wording does in a hundred is not.
    """

    def __init__(self, jobs: Sequence[_ScoredJob], wording: Callable[[Job, str], str]) -> None:
        self._wording = wording
        found: dict[str, list[tuple[float, float]]] = {}
        for job in jobs:
            for one in job.good:
                found.setdefault(wording(job.job, one.text), []).append((one.score / job.best, job.share))
        self._worth = {
            text: sum(score * share for score, share in of_text) / sum(share for _, share in of_text)
            for text, of_text in found.items()
            if len(of_text) >= COMMON
        }
        self._other = sum(self._worth.values()) / len(self._worth) if self._worth else 0.0

    def worth(self, job: Job, text: str) -> float:
        """Of an instruction's wording; of one that is not common, as much as the mean of those that are."""
        return self._worth.get(self._wording(job, text), self._other)


def _turns(teachers: list[_Teacher], chance: random.Random, count: int) -> Iterator[Lesson]:
    kinds, shares_of_kinds = zip(*((shape, shape.share) for shape in SHAPES), *OTHERS, strict=True)
    shares_of_teachers = [teacher.share for teacher in teachers]
    given = 0
    while given < count:
        (teacher,) = chance.choices(teachers, shares_of_teachers)
        (kind,) = chance.choices(kinds, shares_of_kinds)
        lesson = teacher.lesson(kind)
        if lesson is not None:
            given += 1
            yield lesson


class _Teacher:
    """Lessons of one job."""

    def __init__(self, scored_job: _ScoredJob, wordings: Sequence[_Wordings], chance: random.Random) -> None:
        self.share = scored_job.share
        self._job = scored_job.job
        self._scored = scored_job.scored
        self._best = scored_job.best
        self._least = scored_job.least
        self._worth = scored_job.worth
        self._chance = chance
        self._score = {one.text: one.score for one in self._scored}
        self._problem = {one.text: one.problem for one in self._job.weak}
        self._rows = shown_rows(self._job)
        self._wording = {one.text: sum(each.worth(self._job, one.text) for each in wordings) for one in self._worth}
        """What opening and ending of those worth writing are worth."""
        self._nearness = {
            one.text: max((shared_words(one.text, good.text) for good in self._worth if good != one), default=0.0)
            for one in self._scored
        }
        """Share of the words that an instruction has in common with the nearest one that is worth writing."""
        self._others: dict[str, Callable[[], Lesson | None]] = {
            "paraphrase": self._paraphrase,
            "induce": self._induce,
            "reflect": self._reflect,
            "summarize": self._summarize,
        }

    def lesson(self, kind: Shape | str) -> Lesson | None:
        """A lesson of this kind; None if the dice gave one that has no answer."""
        return self._rewrite(kind) if isinstance(kind, Shape) else self._others[kind]()

    def _rewrite(self, shape: Shape) -> Lesson | None:
        trajectory = self._trajectory(shape)
        if trajectory is None:
            return None
        current, past = trajectory
        best = max((current, *past), key=lambda one: one.score)
        least = max(current.score + CLEARLY_BETTER, best.score - AS_GOOD)
        shown = {current.text, *(one.text for one in past)}
        better = [one for one in self._worth if one.score >= least and one.text not in shown]
        if not better:
            return None
        words = self._budget(current, better) if shape.budget else None
        if words is not None:
            better = [one for one in better if word_edit_distance(current.text, one.text) <= words]
        scored = [(one.text, shown_score(one.score)) for one in past]
        scored.append((current.text, shown_score(current.score) if shape.scored else ""))
        problem = self._problem[current.text] if shape.problem else ""
        job = RawJob(verb=shape.verb, problem=problem, scored=tuple(scored), words=words)
        return self._lesson(self._described(job), self._drawn(better, near=best))

    def _trajectory(self, shape: Shape) -> tuple[Scored, tuple[Scored, ...]] | None:
        """The current prompt and past ones: any that were measured, since a search goes on from poor ones too. The
        nearer the current one is to a good one, the more often it is drawn: a small edit teaches what to keep. None if
        a problem is to be named and no poor prompt has one.
        """
        low = [one for one in self._scored if one.score <= self._best - CLEARLY_BETTER]
        if shape.problem:
            low = [one for one in low if one.text in self._problem]
        if not low:
            return None
        (current,) = self._chance.choices(low, [LEANING ** self._nearness[one.text] for one in low])
        others = [one for one in self._scored if one.text != current.text]
        past = self._chance.sample(others, min(self._chance.choice(shape.past), len(others)))
        if self._chance.random() < 0.5:
            past.sort(key=lambda one: one.score)
        return current, tuple(past)

    def _budget(self, current: Scored, better: Sequence[Scored]) -> int:
        """One of a schedule, or one that the nearest answers just meet."""
        nearest = sorted(word_edit_distance(current.text, one.text) for one in better)
        if self._chance.random() < 0.55:
            return max(self._chance.choice(BUDGETS), nearest[0])
        return self._chance.choice(nearest[: 1 + len(nearest) // 2]) + self._chance.randint(0, 3)

    def _drawn(self, better: Sequence[Scored], *, near: Scored | None = None) -> tuple[str, ...]:
        """Some of the answers, each with another ending as long as there is one: the better, the better their opening
        and ending, and the nearer to the best prompt shown, the more often.

        That nearness is what a score is good for: what a good prompt has in common with the answer is worth keeping. Of
        a poor one it is the noun. Nobody knows which ending does in a new job; who tries several finds out.
        """

        def weight(one: Scored) -> float:
            shared = shared_words(one.text, near.text) if near is not None else 0.0
            return LEANING ** (one.score + self._wording[one.text] + shared)

        drawn = sorted(better, key=lambda one: self._chance.random() ** (1 / weight(one)), reverse=True)
        texts = [one.text for one in drawn]
        first = {ending(text): text for text in reversed(texts)}
        return tuple(sorted(texts, key=lambda text: first[ending(text)] != text)[:MOST_ANSWERS])

    def _paraphrase(self) -> Lesson | None:
        current = self._chance.choice(self._worth)
        others = [one for one in self._worth if one.text != current.text and one.score >= current.score - AS_GOOD]
        if not others:
            return None
        answers = self._drawn(others, near=current)
        words = None
        if self._chance.random() < 0.5:
            words = max(word_edit_distance(current.text, text) for text in answers)
        return self._lesson(RawJob(verb="paraphrase", scored=((current.text, ""),), words=words), answers)

    def _induce(self) -> Lesson | None:
        return self._lesson(self._described(RawJob(verb="induce"), fewest=3), self._drawn(self._worth))

    def _reflect(self) -> Lesson | None:
        weak = self._chance.choice(self._job.weak)
        if self._score[weak.text] >= self._least:
            return None
        rows = self._chance.sample(self._rows, self._chance.randint(1, 3))
        mistakes = tuple((row.input, self._wrong(row.input, row.answer), row.answer) for row in rows)
        return self._lesson(RawJob(verb="reflect", scored=((weak.text, ""),), mistakes=mistakes), (weak.problem,))

    def _wrong(self, text: str, answer: str) -> str:
        """What a model says that was not told how to answer."""
        others = [label for label in self._job.labels if label != answer]
        said = [f"The text says: {text}", f"It is about {text.split()[-1].strip('.!?')}.", "I am not sure.", ""]
        return self._chance.choice([*others, *said])

    def _summarize(self) -> Lesson | None:
        if self._chance.random() < 0.5:
            first, second = self._chance.sample(self._job.weak, 2)
            shown = ((first.problem, ""), (second.problem, ""))
            return self._lesson(
                RawJob(verb="summarize", joins="reflections", scored=shown), (f"{first.problem} {second.problem}",)
            )
        if len(self._worth) < 3:
            return None
        first, second = self._chance.sample(self._worth, 2)
        others = [one for one in self._worth if one not in (first, second)]

        def apart(one: Scored) -> int:
            return word_edit_distance(first.text, one.text) + word_edit_distance(second.text, one.text)

        shown = ((first.text, ""), (second.text, shown_score(second.score)))
        answer = min(others, key=apart)
        return self._lesson(RawJob(verb="summarize", joins="prompts", scored=shown), (answer.text,))

    def _described(self, job: RawJob, *, fewest: int = 0) -> RawJob:
        """The job with its labels and some rows, as a task shows them."""
        rows = self._chance.sample(self._rows, self._chance.choice((fewest or 1, 3, 3, 4, 5)))
        labels = self._chance.sample(self._job.labels, len(self._job.labels))
        return replace(job, labels=tuple(labels), rows=tuple((row.input, row.answer) for row in rows))

    def _lesson(self, job: RawJob, answers: tuple[str, ...]) -> Lesson | None:
        return Lesson(job=self._job.name, form=render_form(job), answers=answers) if answers else None
