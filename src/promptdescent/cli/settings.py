"""The settings of a run as flags: one per field of RunSpec, with its help, put into signatures that Typer reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from promptdescent.cli.flags import COST, MODELS, PACE, ROWS, RUN, SEARCH, TASK
from promptdescent.config import RunSpec, flag

Command = TypeVar("Command", bound=Callable[..., None])


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """How a field of RunSpec is shown in the help."""

    panel: str
    help: str
    metavar: str | None = None
    default: str | None = None
    """What is said of the default where it is not the field's own."""


FLAGS = {
    "data": Flag(panel=ROWS, help="File of rows to split by seed: CSV, TSV, JSONL, JSON or Parquet.", metavar="FILE"),
    "train": Flag(panel=ROWS, help="File of train rows; with --dev and --test in place of DATA.", metavar="FILE"),
    "dev": Flag(panel=ROWS, help="File of dev rows, on which prompts are compared.", metavar="FILE"),
    "test": Flag(panel=ROWS, help="File of test rows, which only the verdict sees.", metavar="FILE"),
    "split_column": Flag(panel=ROWS, help="Column that says train, dev or test.", metavar="COLUMN"),
    "input": Flag(panel=ROWS, help="Input column; may be given several times.", metavar="COLUMN"),
    "target": Flag(panel=ROWS, help="Column of the right answer.", metavar="COLUMN"),
    "train_rows": Flag(panel=ROWS, help="Train rows to take.", default="at most 100"),
    "dev_rows": Flag(panel=ROWS, help="Dev rows to take.", default="at most 100"),
    "test_rows": Flag(panel=ROWS, help="Test rows to take.", default="at most 300"),
    "leave_out": Flag(
        panel=ROWS,
        help="Rows to take out after the split: those with leave_out = yes in a file that `promptdescent rows` wrote.",
        metavar="CSV",
    ),
    "prompt": Flag(panel=TASK, help="The starting prompt, or @FILE.", metavar="TEXT|@FILE"),
    "placement": Flag(
        panel=TASK,
        help="Where the prompt stands: before or after the question, as system message, or as a template with {column} "
        "placeholders.",
        default="template if the prompt names a column, else after",
    ),
    "second_round": Flag(
        panel=TASK,
        help="What the task model is asked after its reply, such as for the bare answer; the reply to that is scored.",
        metavar="TEXT|@FILE",
        default="one round",
    ),
    "metric": Flag(
        panel=TASK,
        help="exact, choice, boolean, number, math, brackets, f1, list, regex:PATTERN, json:FIELD, rouge-l, "
        "reference:KIND, judge or module:function; docs/metrics.md describes them.",
        metavar="NAME",
        default="from the right answers",
    ),
    "read": Flag(panel=TASK, help="How a choice is read from a reply: default, first, last or line.", metavar="HOW"),
    "length_cost": Flag(
        panel=TASK, help="What the search takes off a score per word of the prompt, such as 0.001.", metavar="AMOUNT"
    ),
    "judge_rubric": Flag(
        panel=TASK,
        help="What makes a good answer, for --metric judge.",
        metavar="TEXT|@FILE",
        default="agreement with the right answer",
    ),
    "judge_scale": Flag(panel=TASK, help="The judge's worst and best grade.", metavar="LOW-HIGH"),
    "judge_repeats": Flag(panel=TASK, help="Grades per answer, of which the mean counts."),
    "notes": Flag(panel=TASK, help="Anything about the domain that the optimizer model should know.", metavar="TEXT"),
    "task_model": Flag(
        panel=MODELS,
        help="Model that does the task: a model of an OpenAI-compatible endpoint, local:PATH, local:smollm2 or "
        "simulated:NAME.",
        metavar="MODEL",
    ),
    "optimizer_model": Flag(panel=MODELS, help="Model that writes prompts.", metavar="MODEL", default="the task model"),
    "judge_model": Flag(panel=MODELS, help="Model that grades answers, for --metric judge.", metavar="MODEL"),
    "base_url": Flag(panel=MODELS, help="Endpoint of all models.", metavar="URL", default="OpenAI's own"),
    "task_base_url": Flag(panel=MODELS, help="Endpoint of the task model.", metavar="URL"),
    "optimizer_base_url": Flag(panel=MODELS, help="Endpoint of the optimizer model.", metavar="URL"),
    "judge_base_url": Flag(panel=MODELS, help="Endpoint of the judge.", metavar="URL"),
    "task_api_key_env": Flag(
        panel=MODELS,
        help="Environment variable that holds the task model's key.",
        metavar="VARIABLE",
        default="OPENAI_API_KEY, for OpenAI's own endpoint alone",
    ),
    "optimizer_api_key_env": Flag(
        panel=MODELS, help="Environment variable that holds the optimizer model's key.", metavar="VARIABLE"
    ),
    "judge_api_key_env": Flag(
        panel=MODELS, help="Environment variable that holds the judge's key.", metavar="VARIABLE"
    ),
    "task_temperature": Flag(panel=MODELS, help="Temperature of the task model."),
    "optimizer_temperature": Flag(panel=MODELS, help="Temperature of the optimizer model."),
    "judge_temperature": Flag(panel=MODELS, help="Temperature of the judge."),
    "task_max_tokens": Flag(panel=MODELS, help="Token limit of a reply of the task model."),
    "optimizer_max_tokens": Flag(panel=MODELS, help="Token limit of a reply of the optimizer model."),
    "judge_max_tokens": Flag(panel=MODELS, help="Token limit of a verdict of the judge."),
    "optimizer_style": Flag(
        panel=MODELS,
        help="chat, few-shot for a small optimizer model that is asked by raw completion, or writer for one that was "
        "trained to write prompts.",
        default="writer for local:smollm2+writer, else chat",
    ),
    "recipe": Flag(
        panel=SEARCH,
        help="The optimizer: a name that `promptdescent recipes` lists, or a file with a mixture of parts.",
        metavar="NAME|@FILE",
    ),
    "seed": Flag(panel=SEARCH, help="Seed of the split and of the search: the same seed gives the same run."),
    "steps": Flag(panel=SEARCH, help="The most steps; 0 only scores the starting prompt."),
    "candidates": Flag(panel=SEARCH, help="Proposals per step.", default="the recipe's"),
    "estimation": Flag(
        panel=SEARCH,
        help="How candidates are scored: FullDev, Racing (about a third of the calls), Minibatch or Bandit.",
        metavar="PART",
        default="the recipe's",
    ),
    "patience": Flag(
        panel=SEARCH, help="Steps without a better prompt that end the search; 0 = never.", default="the recipe's"
    ),
    "whole_steps": Flag(
        panel=SEARCH, help="Plan all steps whatever the caps; the search ends before one that may not fit."
    ),
    "target_score": Flag(panel=SEARCH, help="Dev score at which the search ends.", default="a perfect one"),
    "max_calls": Flag(panel=COST, help="Cap on calls of all models; a search keeps enough for its verdict."),
    "max_total_tokens": Flag(panel=COST, help="Cap on tokens of all models, in and out."),
    "max_money": Flag(panel=COST, help="Cap in US dollars over all models.", metavar="USD"),
    "max_minutes": Flag(panel=COST, help="Cap on the time at work; calls that are open then are cancelled."),
    "task_price": Flag(
        panel=COST,
        help="Price of the task model: US dollars per million tokens read and written.",
        metavar="IN/OUT",
        default="from the price list",
    ),
    "optimizer_price": Flag(panel=COST, help="Price of the optimizer model.", metavar="IN/OUT"),
    "judge_price": Flag(panel=COST, help="Price of the judge model.", metavar="IN/OUT"),
    "concurrency": Flag(
        panel=PACE, help="Calls in flight at once.", default="as many as the endpoint turns out to take"
    ),
    "requests_per_minute": Flag(panel=PACE, help="Most requests that begin in a minute."),
    "tokens_per_minute": Flag(panel=PACE, help="Most tokens asked for in a minute, about."),
    "attempts": Flag(panel=PACE, help="Attempts per call before it counts as failed."),
    "timeout": Flag(panel=PACE, help="Seconds that a call to an endpoint may take."),
    "failure_limit": Flag(
        panel=PACE,
        help="Ends the run when so large a share of a role's latest calls or replies fails that way, such as "
        "refused=0.3; may be given several times.",
        metavar="COUNTER=SHARE",
    ),
    "cache": Flag(
        panel=RUN, help="Replies that may be reused: of all runs in the store, of this run when resumed, none."
    ),
    "ray": Flag(
        panel=PACE,
        help="Ray cluster that computes a local task model: local for one of this machine, auto for the one that it is "
        "part of, or HOST:PORT.",
        metavar="ADDRESS",
        default="this process alone",
    ),
}

Settings = dict[str, Any]
"""Fields of RunSpec that were given."""


def takes_settings(
    names: Iterable[str], *, default: str | None = None, defaults: Mapping[str, str] | None = None
) -> Callable[[Command], Command]:
    """Give a command that ends in ``**settings`` a flag per field of RunSpec named, before its keyword-only ones.

    A flag that is not given is None, so that it does not override a task file. ``default`` is what is said of all
    defaults where they are not the fields' own, ``defaults`` what is said of some, by name.
    """
    said = defaults or {}

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = list(signature.parameters.values())[:-1]
        first = [one for one in own if one.kind is not inspect.Parameter.KEYWORD_ONLY]
        last = [one for one in own if one.kind is inspect.Parameter.KEYWORD_ONLY]
        every = [*first, *(_parameter(name, said.get(name, default)) for name in names), *last]
        command.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in every}
        return command

    return decorate


def given(settings: Settings) -> Settings:
    """Those of the flags that were given."""
    return {name: value for name, value in settings.items() if value is not None}


def _parameter(name: str, default: str | None) -> inspect.Parameter:
    """A field of RunSpec as a keyword parameter whose default is None."""
    said = FLAGS[name]
    kind = str if name == "recipe" else _types()[name]  # a mixture is given as a file
    option = typer.Option(
        flag(name),
        help=said.help,
        metavar=said.metavar,
        rich_help_panel=said.panel,
        show_default=default or said.default or _default(name),
    )
    optional = list[str] | None if kind == tuple[str, ...] else kind | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[optional, option])


@lru_cache(maxsize=1)
def _types() -> dict[str, Any]:
    """The types of the fields of RunSpec: read once, since every command asks for many."""
    return get_type_hints(RunSpec)


def _default(name: str) -> str | bool:
    """The default of a field in words; False if there is none to show."""
    value = next(one.default for one in fields(RunSpec) if one.name == name)
    return False if value in (None, "", ()) else str(value)
