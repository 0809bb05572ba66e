"""CAPO, OPRO and EvoPrompt of promptolution. Contestants: promptolution-capo, -opro and -evoprompt.

    ENVIRONMENT/bin/python -I run_promptolution.py JOB.json

A prompt goes before the row in the user's message, after promptolution's own system message, and the answer is read
between promptolution's markers where a reply has them. All that a search scores a prompt by is our metric.

CAPO drops most candidates before it has seen all dev rows. The best of each of its steps is scored on the rest of
them, at its own cost: without that there would be no score to choose its prompt by.
"""

from __future__ import annotations

import logging
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
if TYPE_CHECKING:
    from promptdescent.experiments.race.peers._peer import (
        STAND_IN,
        Found,
        Job,
        Message,
        Proxy,
        answer_in,
        mean,
        run,
    )
else:
    from _peer import STAND_IN, Found, Job, Message, Proxy, answer_in, mean, run

ANSWER = r"(?s)\A(?:.*<final_answer>)?\s*(.*?)\s*(?:</final_answer>|\Z)"
"""From the last marker that opens to the next that closes, as promptolution reads it; without markers, the reply."""

POPULATION = 10
"""Prompts that a population has: as many as promptolution makes where it is given none."""

MOST_BLOCKS = 10
"""Blocks of dev rows that CAPO races on, as in its paper."""

SMALLEST_BLOCK = 5
"""Rows; fewer tell a t-test nothing."""

MOST_SHOTS = 5
"""Examples in a prompt of CAPO, as in its paper."""

MOST_STEPS = 1_000_000
"""More than any race pays for."""


class Search:
    """One of the searches, with what it records."""

    def __init__(self, job: Job, proxy: Proxy, found: Found) -> None:
        self._job, self._proxy, self._found = job, proxy, found
        self._rows = {row.input: row for row in job.dev}
        self._recorded: set[str] = set()
        self._failure: Exception | None = None
        self.task_model = self._model("task")
        self.optimizer_model = self._model("optimizer")
        self.predictor = self._predictor()
        self.task = self._task()

    def run(self) -> None:
        """Search until the tokens are used up. Raises what ends the search before."""
        from promptolution.utils.prompt import Prompt

        start = Prompt(self._job.start)
        self._found.start(self._job.start, layout(start), ANSWER)
        self.task.evaluate(start, self.predictor, eval_strategy="full")
        optimizer = self._optimizer()
        step = optimizer._step

        def watched() -> Any:
            try:
                return step()
            except Exception as error:
                # promptolution logs it and ends as if nothing had happened.
                self._failure = error
                raise

        optimizer._step = watched
        optimizer.optimize(MOST_STEPS)
        if self._failure is not None:
            raise self._failure

    def _optimizer(self) -> Any:
        from promptolution.optimizers.capo import CAPO
        from promptolution.optimizers.evoprompt_ga import EvoPromptGA
        from promptolution.optimizers.opro import OPRO

        models: dict[str, Any] = {"predictor": self.predictor, "task": self.task, "meta_llm": self.optimizer_model}
        if self._job.peer == "promptolution-opro":
            return OPRO(**models, initial_prompts=[self._job.start])
        if self._job.peer == "promptolution-evoprompt":
            return EvoPromptGA(**models, initial_prompts=self._population())
        if self._job.peer == "promptolution-capo":
            return self._capo(CAPO, models)
        raise ValueError(f"there is no search named {self._job.peer!r} here")

    def _capo(self, kind: Callable[..., Any], models: dict[str, Any]) -> Any:
        from pandas import DataFrame

        self.task.eval_strategy = "sequential_block"
        return kind(
            **models,
            initial_prompts=self._population(),
            upper_shots=min(MOST_SHOTS, len(self._job.train)),
            max_n_blocks_eval=MOST_BLOCKS,
            df_few_shots=DataFrame(
                {"x": [row.input for row in self._job.train], "y": [row.target for row in self._job.train]}
            ),
            callbacks=[self],
        )

    def _population(self) -> list[str]:
        """The starting prompt and variations of it, which promptolution has its optimizer model write."""
        from promptolution.utils.prompt_creation import create_prompt_variation

        start = self._job.start
        return [start, *create_prompt_variation([start] * (POPULATION - 1), self.optimizer_model)]

    def on_step_end(self, optimizer: Any) -> bool:
        """Score the best prompt of a step of CAPO on all dev rows; the name is promptolution's."""
        self.task.evaluate(optimizer.prompts[0], self.predictor, eval_strategy="full")
        return True

    def on_train_end(self, optimizer: Any) -> None:
        """Nothing to do; the name is promptolution's."""

    def _task(self) -> Any:
        from pandas import DataFrame
        from promptolution.tasks.reward_tasks import RewardTask

        dev = self._job.dev
        frame = DataFrame({"x": [row.input for row in dev], "y": [row.target for row in dev]})
        frame["row"] = frame["x"]
        task = RewardTask(
            frame,
            lambda answer, row: self._proxy.score(answer, self._rows[row]),
            y_column="y",
            reward_columns=["row"],
            task_description=self._job.about,
            n_subsamples=block_size(len(self._rows)),
            seed=self._job.seed,
        )
        whole = task.evaluate

        def evaluate(prompts: Any, predictor: Any, *, eval_strategy: str | None = None) -> Any:
            """promptolution's, with a prompt recorded as soon as the last dev row is scored."""
            several = prompts if isinstance(prompts, list) else [prompts]
            if (eval_strategy or task.eval_strategy) == "full":
                for prompt in several:  # not all at once: the tokens may not last for the last one
                    whole(prompt, predictor, eval_strategy="full")
                    self._record(task, prompt)
            return whole(prompts, predictor, eval_strategy=eval_strategy)

        task.evaluate = evaluate
        return task

    def _record(self, task: Any, prompt: Any) -> None:
        text = str(prompt)
        if text not in self._recorded:
            self._recorded.add(text)
            scores = [float(task.eval_cache[text, x, y]) for x, y in zip(task.xs, task.ys, strict=True)]
            self._found.add(prompt.instruction, mean(scores), layout(prompt), ANSWER)

    def _predictor(self) -> Any:
        from promptolution.predictors.maker_based_predictor import MarkerBasedPredictor

        predictor = MarkerBasedPredictor(self.task_model)
        # Its own makes an answer lower case, which is for class labels and not for any metric.
        predictor._extract_preds = lambda replies: [answer_in(reply, ANSWER) or "" for reply in replies]
        return predictor

    def _model(self, role: Any) -> Any:
        from promptolution.llms.base_llm import BaseLLM

        proxy = self._proxy

        class Model(BaseLLM):  # type: ignore[misc]
            """A model behind the race's proxy."""

            def _get_response(self, prompts: list[str], system_prompts: list[str]) -> list[str]:
                pairs = zip(prompts, system_prompts, strict=True)
                return proxy.chats(role, [conversation(system, prompt) for prompt, system in pairs])

        return Model()


def conversation(system: str, prompt: str) -> list[Message]:
    """promptolution's messages."""
    return [{"role": "system", "content": system}, {"role": "user", "content": prompt}]


def layout(prompt: Any) -> list[Message]:
    """The messages of a row under a prompt."""
    from promptolution.utils.templates import DEFAULT_SYS_PROMPT

    return conversation(DEFAULT_SYS_PROMPT, f"{prompt}\n{STAND_IN}")


def block_size(rows: int) -> int:
    """Rows of a block of CAPO."""
    return min(rows, max(SMALLEST_BLOCK, math.ceil(rows / MOST_BLOCKS)))


def search(job: Job, proxy: Proxy, found: Found) -> None:
    """Run the search that the job names."""
    import numpy

    logging.basicConfig(level=logging.WARNING)
    # All the randomness of promptolution but a task's order of rows.
    random.seed(job.seed)
    numpy.random.seed(job.seed)
    Search(job, proxy, found).run()


if __name__ == "__main__":
    run(search)
