"""The commands that run, resume and show, those of other modules by name, and the program's entry point."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from promptdescent import __version__, runner
from promptdescent.cli import output
from promptdescent.cli.bench import bench
from promptdescent.cli.evaluate import evaluate
from promptdescent.cli.export import export
from promptdescent.cli.flags import (
    DEFAULT_STORE,
    FLAGS,
    RUN,
    DryRunFlag,
    ProfileFlag,
    QuietFlag,
    RunArgument,
    Settings,
    StoreFlag,
    YesFlag,
    given,
    takes_settings,
)
from promptdescent.cli.output import ExitCode
from promptdescent.cli.race import install_peers, race
from promptdescent.cli.recipe_text import all_recipes, difference, one_recipe, recipe_called
from promptdescent.cli.rerun import rerun
from promptdescent.cli.running import Place, agreed, carry_out, foretell, opened_store
from promptdescent.cli.runs import runs
from promptdescent.cli.study import study
from promptdescent.config import CHANGEABLE, TASK_FILE_SUFFIXES, RunSpec, load_task_file
from promptdescent.errors import ConfigError, PromptDescentError
from promptdescent.report.record import as_text, canonical, run_record
from promptdescent.report.text import summary
from promptdescent.tasks.demo import demo_settings

app = typer.Typer(
    help="Improve the prompt of a language model task, with evidence for every gain that is claimed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

GainFlag = Annotated[
    bool, typer.Option("--require-gain", help="Exit with 4 if no gain was shown.", rich_help_panel=RUN)
]
RecordedFlag = Annotated[
    bool,
    typer.Option(
        "--recorded",
        help="Go on with the rows, prompt, rubric and recipe on record, whatever their files say by now.",
        rich_help_panel=RUN,
    ),
]


@app.callback(invoke_without_command=True)
def options(
    show_version: Annotated[bool, typer.Option("--version", is_eager=True, help="Say the version and exit.")] = False,
) -> None:
    if show_version:
        output.result(f"promptdescent {__version__}")
        raise SystemExit(ExitCode.DONE)


@app.command()
@takes_settings(["seed", "concurrency", "max_calls", "max_total_tokens"])
def demo(
    *,
    store: StoreFlag = DEFAULT_STORE,
    require_gain: GainFlag = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    **settings: object,
) -> None:
    """A whole run on data of our own with the embedded model: no key, no network."""
    flags = given(settings)
    spec = RunSpec().with_settings(demo_settings(flags.get("seed", 0))).with_settings(flags)
    _start(spec, Place(store=store, quiet=quiet, require_gain=require_gain, profile=profile), yes=False)


@app.command()
@takes_settings(name for name in FLAGS if name != "data")
def optimize(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA_OR_TASK", help="File of rows, or a task file (.yaml).")
    ] = None,
    *,
    store: StoreFlag = DEFAULT_STORE,
    yes: YesFlag = False,
    dry_run: DryRunFlag = False,
    require_gain: GainFlag = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    **settings: object,
) -> None:
    """Find a better prompt for your own rows, and say whether the gain is real."""
    if dry_run:
        foretell(_spec(data, given(settings)))
        return
    _start(
        _spec(data, given(settings)),
        Place(store=store, quiet=quiet, require_gain=require_gain, profile=profile),
        yes=yes,
    )


@app.command()
@takes_settings(CHANGEABLE, default="as recorded")
def resume(
    run: RunArgument,
    *,
    recorded: RecordedFlag = False,
    store: StoreFlag = DEFAULT_STORE,
    require_gain: GainFlag = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    **settings: object,
) -> None:
    """Go on with a run that was interrupted, failed or killed."""
    place = Place(store=store, quiet=quiet, require_gain=require_gain, profile=profile)
    code = carry_out(
        lambda opened, watcher, times: runner.resume(
            run, store=opened(), observers=[watcher], settings=given(settings), recorded=recorded, profile=times
        ),
        place,
        must_exist=True,
    )
    raise SystemExit(code)


@app.command()
def show(
    run: RunArgument = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON.")] = False,
    as_canonical: Annotated[
        bool, typer.Option("--canonical", help="The part of the record that equal runs share, as JSON.")
    ] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Print what is recorded of a run."""
    if as_json and as_canonical:
        raise ConfigError("--json and --canonical: give one of them")
    with opened_store(store, must_exist=True) as opened:
        record = run_record(opened, run)
    if as_canonical:
        output.result(as_text(canonical(record)))
    else:
        output.result(as_text(record) if as_json else summary(record))


@app.command()
def recipes(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME|@FILE]...", help="One to print in full; two with --diff.", show_default=False),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Only the slots in which two recipes differ.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the optimizers, print one in full, or tell two apart."""
    wanted = [recipe_called(name) for name in names or ()]
    if len(wanted) != 2 if diff else len(wanted) > 1:
        raise ConfigError("recipes takes no name, one, or two with --diff: promptdescent recipes --diff opro gpo")
    if diff:
        output.result(difference(*wanted, as_json=as_json))
    else:
        output.result(one_recipe(*wanted, as_json=as_json) if wanted else all_recipes(as_json=as_json))


app.command()(bench)
app.command()(race)
app.command("install-peers")(install_peers)
app.command()(evaluate)
app.command()(export)
app.command()(rerun)
app.command()(runs)
app.command()(study)


def main() -> None:
    """Run the command line. Exits with an :class:`ExitCode`."""
    output.tolerate_any_encoding()
    try:
        app()
    except PromptDescentError as error:  # from before a run was at work: nothing was paid for
        output.error(str(error))
        sys.exit(ExitCode.INPUT)


def _spec(data: str | None, flags: Settings) -> RunSpec:
    """Task file and flags as one; a flag wins over the file."""
    if data is None:
        return RunSpec().with_settings(flags)
    if Path(data).suffix.lower() in TASK_FILE_SUFFIXES:
        return load_task_file(Path(data)).with_settings(flags)
    return RunSpec().with_settings({"data": data, **flags})


def _start(spec: RunSpec, place: Place, *, yes: bool) -> None:
    code = carry_out(
        lambda store, watcher, times: runner.start(
            spec, store=store, observers=[watcher], confirm=lambda plan: agreed(plan.total, yes=yes), profile=times
        ),
        place,
    )
    raise SystemExit(code)


if __name__ == "__main__":
    main()
