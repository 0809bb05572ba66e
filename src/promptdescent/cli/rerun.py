"""The command ``rerun``: a recorded run once more, as a replay, as a fork, or under other caps."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import DEFAULT_STORE, RUN, SEARCH, ProfileFlag, QuietFlag, StoreFlag, YesFlag
from promptdescent.cli.output import ExitCode
from promptdescent.cli.progress import Reporter
from promptdescent.cli.running import Ended, Place, agreed, carry_out
from promptdescent.cli.settings import given, takes_settings
from promptdescent.config import CHANGEABLE
from promptdescent.llm.profile import Profile
from promptdescent.rerunning import fork_of
from promptdescent.rerunning import rerun as run_again
from promptdescent.store.late import LateStore


@takes_settings(CHANGEABLE, default="as recorded")
def rerun(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Beginning of a run's id, or latest.")],
    *,
    replay_only: Annotated[
        bool,
        typer.Option(
            "--replay-only",
            help="Ask no model: every reply must be in the store, and the record must come out the same.",
            rich_help_panel=RUN,
        ),
    ] = False,
    from_step: Annotated[
        int | None,
        typer.Option("--from-step", metavar="K", help="Fork: another seed from this step on.", rich_help_panel=SEARCH),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="The other seed, with --from-step.", rich_help_panel=SEARCH)
    ] = None,
    store: StoreFlag = DEFAULT_STORE,
    yes: YesFlag = False,
    require_gain: Annotated[
        bool, typer.Option("--require-gain", help="Exit with 4 if no gain was shown.", rich_help_panel=RUN)
    ] = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    **settings: object,
) -> None:
    """Run a recorded run once more, as a new one; what the first was answered is not paid for again."""
    fork = fork_of(from_step, seed)
    origin = ""

    async def work(opened: LateStore, watcher: Reporter, times: Profile) -> Ended:
        nonlocal origin
        origin = opened().find_run(run).id
        return await run_again(
            origin,
            store=opened(),
            replay_only=replay_only,
            fork=fork,
            settings=given(settings),
            observers=[watcher],
            confirm=lambda plan: agreed(plan.total, yes=yes),
            profile=times,
        )

    code = carry_out(work, Place(store=store, quiet=quiet, require_gain=require_gain, profile=profile), must_exist=True)
    if replay_only and code in (ExitCode.DONE, ExitCode.NO_GAIN):
        output.result(f"\nReplayed without a call: the canonical record equals that of run {origin}.")
    raise SystemExit(code)
