"""A run: what it is, where it stands, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from promptdescent.records.calls import ModelSettings, Usage
from promptdescent.records.evaluation import Outcome
from promptdescent.records.search import StepRecord
from promptdescent.records.task import Placement, Role, ScoredRows


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Starting and found prompt on the test rows, pairwise. Scores are the objective over ``rows``."""

    start_score: float
    best_score: float
    difference: float
    interval: tuple[float, float]
    """95 % confidence interval of the difference."""
    p_value: float
    rows: int
    """Test rows with a score on both sides."""
    missing: int
    """Test rows left out because a call failed for good."""
    leaked: int
    """Test rows left out because they also stand in train or dev."""
    test: str
    """Name of the significance test."""
    interval_method: str
    gain_shown: bool
    """Whether test and interval agree that the found prompt is better."""
    commonest_answer_score: float | None
    """For a choice: the score of always answering the commonest label of the test rows."""
    objective: str = "mean"
    """What the scores are: the mean over the rows, or the name of another objective."""
    start_outcomes: tuple[Outcome, ...] = ()
    best_outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptScore:
    """One prompt on rows, without a search. The score is the objective over ``rows``."""

    on: ScoredRows
    score: float
    interval: tuple[float, float]
    """95 % confidence interval of the score."""
    interval_method: str
    rows: int
    """Rows with a score."""
    missing: int
    """Rows left out because a call failed for good, or a cap left no room for it."""
    leaked: int
    """Test rows left out because they also stand in train or dev."""
    commonest_answer_score: float | None
    """For a choice: the score of always answering the commonest label of these rows."""
    objective: str = "mean"
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RunManifest:
    """What a run is, fixed before its first call; with the store it can rebuild the run."""

    version: str
    """Version of promptdescent."""
    seed: int
    recipe_name: str
    recipe: Mapping[str, Any]
    """The recipe as data: one entry per slot, each with its type and fields."""
    task_model: ModelSettings
    optimizer_model: ModelSettings
    task_identity: str
    """Endpoint identity of the task model when the run began, as in cache keys."""
    optimizer_identity: str
    judge_model: ModelSettings | None = None
    """None without a judge."""
    judge_identity: str = ""
    prompt: str
    """The starting prompt."""
    placement: Placement
    metric: str
    objective: str = "mean"
    length_cost: float = 0.0
    """What the search takes off a score per word of the prompt."""
    labels: tuple[str, ...]
    task_fingerprint: str
    """Digest of rows, splits, metric and placement."""
    split_sizes: Mapping[str, int]
    leaked: tuple[str, ...] = ()
    """Ids of test rows that also stand in train or dev; they are left out of the verdict."""
    similarity: str
    """How past prompts are compared."""
    total_steps: int
    max_calls: int | None
    max_total_tokens: int | None
    cache: Literal["store", "run", "off"]
    spec: Mapping[str, Any] = field(default_factory=dict)
    """The run's settings as given, without secrets: enough to resume it."""
    judge_rubric_file: str = ""
    """Where the text of the rubric was read; empty unless it came from a file."""
    second_round_file: str = ""
    """Where the text of the second round was read; empty unless it came from a file."""
    metric_source: str = ""
    """Digest of the source of a metric that is the user's function; empty for others, and where it cannot be seen."""
    context_tokens: Mapping[Role, int] = field(default_factory=dict)
    """The most tokens per call, for the models that say so; what is longer was not sent."""
    origin: str = ""
    """Id of the run that this one runs again; empty for one that began by itself."""
    forked_at: int | None = None
    """The first step at which it goes its own way, with another seed; None unless it is a fork."""
    explains: str = ""
    """Id of the run whose found prompt this one measures piece by piece; empty for every other run."""

    @property
    def evaluated_on(self) -> ScoredRows | None:
        """The rows that the prompt is scored on; None for a search."""
        return self.spec.get("evaluate_on")

    @property
    def models(self) -> dict[Role, tuple[ModelSettings, str]]:
        """Settings and identity of the models, by the roles that the run has."""
        found: dict[Role, tuple[ModelSettings, str]] = {"task": (self.task_model, self.task_identity)}
        if self.evaluated_on is None:
            found["optimizer"] = (self.optimizer_model, self.optimizer_identity)
        if self.judge_model is not None:
            found["judge"] = (self.judge_model, self.judge_identity)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a run stands, for observers."""

    run: str
    """Its id in the store."""
    phase: Literal["start", "search", "verdict", "explanation", "done"]
    step: int
    total_steps: int
    best_score: float | None
    word_budget: int | None
    used: Usage
    """All roles."""
    paid: Mapping[Role, Usage]
    """By role; what the run costs in money goes by it."""
    forecast_calls: int
    """Calls that the whole run is expected to use at most."""


class RunObserver(Protocol):
    """Is told how a run goes. Observers are called from the event loop and must return at once."""

    def on_message(self, text: str) -> None:
        """A line for the user, such as the forecast or a warning."""

    def on_progress(self, progress: Progress) -> None:
        """Numbers changed."""

    def on_step(self, record: StepRecord) -> None:
        """A step was committed."""
