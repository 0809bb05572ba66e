"""The command ``demo``: a whole run on data of our own."""

from __future__ import annotations

from promptdescent.cli.flags import DEFAULT_STORE, GainFlag, ProfileFlag, QuietFlag, StoreFlag
from promptdescent.cli.running import Place, start_run
from promptdescent.cli.settings import given, takes_settings
from promptdescent.config import RunSpec
from promptdescent.tasks.demo import demo_settings


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
    place = Place(store=store, quiet=quiet, require_gain=require_gain, profile=profile)
    raise SystemExit(start_run(spec, place, yes=False))
