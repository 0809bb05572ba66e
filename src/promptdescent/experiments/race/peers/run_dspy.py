"""GEPA and MIPROv2 of DSPy. Contestants: dspy-gepa and dspy-mipro.

    ENVIRONMENT/bin/python -I run_dspy.py JOB.json

The program is one ``dspy.Predict`` from a row's text to an answer, laid out by DSPy's chat adapter; the starting
prompt is its instruction. A reply that the adapter cannot read is wrong: DSPy would ask again in another layout,
and a prompt in two layouts is none that one could take away. The optimizer model is asked as DSPy asks it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
if TYPE_CHECKING:
    from promptdescent.experiments.race.peers._peer import (
        LONGEST_CALL,
        REFUSED,
        STAND_IN,
        USED_UP,
        Found,
        Job,
        Message,
        Proxy,
        Row,
        end,
        feedback,
        mean,
        run,
    )
else:
    from _peer import (
        LONGEST_CALL,
        REFUSED,
        STAND_IN,
        USED_UP,
        Found,
        Job,
        Message,
        Proxy,
        Row,
        end,
        feedback,
        mean,
        run,
    )

ANSWER = r"(?ms)^[^\S\n]*\[\[ ## answer ## \]\]\s*(.*?)\s*(?=^[^\S\n]*\[\[ ## \w+ ## \]\]|\Z)"
"""The section of the answer, up to the next header at the start of a line, as DSPy's chat adapter reads it."""

MOST_METRIC_CALLS = 1_000_000
"""More than any race pays for."""

MOST_TRIALS = 100_000
"""More than any race pays for."""

SETS = (18, 12, 6, 3)
"""Numbers of sets of examples that MIPROv2 may make: those of its own three sizes of a search, and the least."""

MINIBATCH = 35
"""Rows of a trial of MIPROv2, its own number; with no more than :data:`SMALL_DEV` dev rows, a trial takes them all."""

SMALL_DEV = 50

RETRIES = 3


def search(job: Job, proxy: Proxy, found: Found) -> None:
    """Run the optimizer that the job names."""
    import dspy

    # A row that takes long would be asked for again, and paid for twice.
    evaluation = import_module("dspy.evaluate.evaluate")
    evaluation.ParallelExecutor = partial(evaluation.ParallelExecutor, timeout=0)  # type: ignore[attr-defined]
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    dspy.configure(
        lm=model(job, proxy, "task"),
        adapter=adapter,
        num_threads=job.concurrency,
        max_errors=sys.maxsize,  # a reply that cannot be read is an error to DSPy, and a weak model gives many
        disable_history=True,
    )
    program = dspy.Predict(dspy.Signature("text -> answer").with_instructions(job.start))
    found.start(job.start, layout(adapter, program), ANSWER)
    optimizers: dict[str, Callable[..., None]] = {"dspy-gepa": gepa, "dspy-mipro": mipro}
    if job.peer not in optimizers:
        raise ValueError(f"there is no optimizer named {job.peer!r} here")
    optimizers[job.peer](job, proxy, found, adapter, program)


def gepa(job: Job, proxy: Proxy, found: Found, adapter: Any, program: Any) -> None:
    """DSPy's GEPA."""
    import dspy
    from dspy.teleprompt.gepa import InstructionProposer

    def metric(example: Any, prediction: Any, trace: Any = None, name: Any = None, of_part: Any = None) -> Any:
        row = Row(input=example.text, target=example.answer)
        score = proxy.score(prediction.answer, row)
        return dspy.Prediction(score=score, feedback=feedback(score, row, job.perfect_score))

    (part,) = (name for name, _ in program.named_predictors())

    class Recorder:
        """Hears of each candidate that was scored on the dev rows."""

        def on_valset_evaluated(self, event: dict[str, Any]) -> None:
            """Record a candidate; the name is GEPA's."""
            if event["num_examples_evaluated"] == event["total_valset_size"]:
                prompt = event["candidate"][part]
                candidate = dspy.Predict(program.signature.with_instructions(prompt))
                found.add(prompt, mean(list(event["scores_by_val_id"].values())), layout(adapter, candidate), ANSWER)

    optimizer = dspy.GEPA(
        metric,
        max_metric_calls=MOST_METRIC_CALLS,
        reflection_lm=model(job, proxy, "optimizer"),
        # Its own asks for JSON, which a small model does not write.
        instruction_proposer=InstructionProposer(adapter=dspy.ChatAdapter()),
        num_threads=job.concurrency,
        perfect_score=job.perfect_score,
        add_format_failure_as_feedback=True,  # else it learns nothing from a model that keeps to no format
        seed=job.seed,
        gepa_kwargs={"callbacks": [Recorder()]},
    )
    optimizer.compile(program, trainset=examples(job.train), valset=examples(job.dev))


def mipro(job: Job, proxy: Proxy, found: Found, adapter: Any, program: Any) -> None:
    """DSPy's MIPROv2, with examples in the prompt as it has them by default."""
    import dspy
    from dspy.teleprompt import mipro_optimizer_v2

    def metric(example: Any, prediction: Any, trace: Any = None) -> float:
        return proxy.score(prediction.answer, Row(input=example.text, target=example.answer))

    class Recorder(dspy.utils.BaseCallback):  # type: ignore[misc]
        """Hears of each evaluation; the names are DSPy's."""

        def __init__(self) -> None:
            self._programs: dict[str, Any] = {}

        def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            if len(inputs["devset"]) == len(job.dev):
                self._programs[call_id] = inputs["program"]

        def on_evaluate_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            evaluated = self._programs.pop(call_id, None)
            if evaluated is not None and exception is None:
                score = mean([float(score) for *_, score in outputs.results])
                found.add(evaluated.signature.instructions, score, layout(adapter, evaluated), ANSWER)

    dspy.configure(callbacks=[Recorder()])
    mipro_optimizer_v2.GroundedProposer = patient(mipro_optimizer_v2.GroundedProposer)
    sets = number_of_sets(job)
    optimizer = mipro_optimizer_v2.MIPROv2(
        metric,
        prompt_model=model(job, proxy, "optimizer"),
        task_model=dspy.settings.lm,
        auto=None,
        num_candidates=sets,
        num_threads=job.concurrency,
        max_errors=sys.maxsize,
        seed=job.seed or 2**32 - 1,  # it takes 0 for no seed, and NumPy below it nothing larger
        track_stats=False,
    )
    # Half as many instructions as sets of examples, as in its own sizes of a search.
    optimizer.num_instruct_candidates = max(min(SETS), sets // 2)
    small = len(job.dev) <= SMALL_DEV
    optimizer.compile(
        program,
        trainset=examples(job.train),
        valset=examples(job.dev),
        num_trials=MOST_TRIALS,
        minibatch=not small,
        minibatch_size=MINIBATCH,
    )


def patient(proposer: Any) -> Any:
    """MIPROv2's proposer, which gives up the whole search at the first reply that it cannot read."""
    import dspy
    from dspy.utils.exceptions import AdapterParseError, LMError

    class Patient(proposer):  # type: ignore[misc]
        """Goes on with the instruction that there is."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            with dspy.context(adapter=dspy.ChatAdapter()):
                super().__init__(*arguments, **named)

        def propose_instruction_for_predictor(self, program: Any, predictor: Any, **named: Any) -> str:
            try:
                with dspy.context(adapter=dspy.ChatAdapter()):
                    return str(super().propose_instruction_for_predictor(program, predictor, **named))
            except AdapterParseError:
                pass
            except LMError as error:
                # Too long for it, or its tokens are used up: the task model may have tokens left to try what there is.
                if error.status not in (USED_UP, REFUSED):
                    raise
            return str(predictor.signature.instructions)

    return Patient


def number_of_sets(job: Job) -> int:
    """Sets of examples for which MIPROv2 spends a third of the tokens at most: it may go through all training rows
    for each.
    """
    letters = mean([len(row.input) for row in job.train])
    per_call = (len(job.start) + letters) / 4 + 300 + job.task_max_tokens / 2  # its layout takes about 300
    affordable = job.task_tokens / 3 / (per_call * len(job.train))
    return next((sets for sets in SETS if sets <= affordable), SETS[-1])


def model(job: Job, proxy: Proxy, role: str) -> Any:
    """A model behind the race's proxy. The task model's end is the end of the search, and so is the optimizer
    model's for GEPA.
    """
    import dspy

    of_task = role == "task"

    class Watch(dspy.utils.BaseCallback):  # type: ignore[misc]
        """Hears of each call; the name is DSPy's. What DSPy is told of it may be lost in an evaluation."""

        def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            status = getattr(exception, "status", None)
            if exception is None:
                proxy.replied()
            elif status == USED_UP and (of_task or job.peer == "dspy-gepa"):
                end("the tokens are used up")
            elif status == REFUSED:
                proxy.refused(str(exception))
            elif status != USED_UP:
                end(f"a model fails: {' '.join(str(exception).split())[:300]}", status=1)

    return dspy.LM(
        f"openai/{job.task_model if of_task else job.optimizer_model}",
        api_base=job.base_url,
        api_key=job.api_key,
        temperature=0.0 if of_task else job.optimizer_temperature,
        max_tokens=job.task_max_tokens if of_task else job.optimizer_max_tokens,
        cache=False,
        num_retries=RETRIES,
        timeout=LONGEST_CALL,
        callbacks=[Watch()],
    )


def layout(adapter: Any, program: Any) -> list[Message]:
    """The messages of a row."""
    messages = adapter.format(program.signature, list(program.demos), {"text": STAND_IN})
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def examples(rows: Sequence[Row]) -> list[Any]:
    """Rows as DSPy takes them."""
    import dspy

    return [dspy.Example(text=row.input, answer=row.target).with_inputs("text") for row in rows]


if __name__ == "__main__":
    run(search)
