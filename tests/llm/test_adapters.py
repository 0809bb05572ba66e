"""The embedded model with adapters, and models that share their engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from llm_contract import CHECKS, raw
from test_local import needs_model
from tiny_adapter import write_tiny_adapter

from promptdescent.assembly import NO_EXTRAS, open_models
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.llm.choose import open_model
from promptdescent.llm.concurrency import FixedSlots, Slots
from promptdescent.llm.local import LocalLLM, split_model
from promptdescent.llm.prefix_slots import PrefixSlots
from promptdescent.records import Example
from promptdescent.tasks.splits import Splits
from promptdescent.tasks.task import Task, build_task

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

QUESTIONS = ("Once upon a time, there was a", "The capital of France is", "Answer with one word: good or bad?")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_adapter(tmp_path_factory.mktemp("adapter") / "tiny.gguf")


@pytest.fixture(scope="module")
async def both(adapter: Path) -> AsyncIterator[tuple[LocalLLM, LocalLLM]]:
    """The bare model and the one with the adapter, on the same engines."""
    async with on_the_same_engines(adapter, engines=2) as models:
        yield models


@asynccontextmanager
async def on_the_same_engines(adapter: Path, *, engines: int) -> AsyncIterator[tuple[LocalLLM, LocalLLM]]:
    bare = LocalLLM("smollm2", engines=engines)
    adapted = LocalLLM(f"smollm2+{adapter}", beside=(bare,))
    await bare.prepare()
    await adapted.prepare()
    yield bare, adapted
    await bare.close()
    await adapted.close()


async def answer(llm: LocalLLM, question: str) -> str:
    return (await llm.complete(raw(question, max_tokens=12))).replies[0].text


async def texts(llm: LocalLLM) -> list[str]:
    return [await answer(llm, question) for question in QUESTIONS]


@needs_model
@pytest.mark.parametrize("check", CHECKS)
async def test_contract(check, both: tuple[LocalLLM, LocalLLM]) -> None:
    await check(both[1])


@needs_model
async def test_an_adapter_changes_its_own_replies_and_no_others(both: tuple[LocalLLM, LocalLLM]) -> None:
    bare, adapted = both
    alone = LocalLLM("smollm2", engines=1)
    await alone.prepare()
    expected = await texts(alone)
    await alone.close()
    with_adapter = await texts(adapted)
    assert await texts(bare) == expected, "an engine that holds an adapter computes the bare model all the same"
    assert with_adapter != expected
    mixed = await asyncio.gather(*(answer(llm, question) for question in QUESTIONS for llm in both))
    assert mixed[::2] == expected
    assert mixed[1::2] == with_adapter


@needs_model
async def test_one_engine_serves_both_in_turn(adapter: Path) -> None:
    """What was computed with the adapter is not taken up for the bare model, though the text begins alike."""
    async with on_the_same_engines(adapter, engines=1) as (bare, adapted):
        one_by_one = [await texts(llm) for llm in (bare, adapted)]
    async with on_the_same_engines(adapter, engines=1) as (bare, adapted):
        in_turn = [[await answer(llm, question) for llm in (bare, adapted) * 2] for question in QUESTIONS]
    assert [list(column) for column in zip(*in_turn, strict=True)] == one_by_one * 2
    assert one_by_one[0] != one_by_one[1]


@needs_model
async def test_the_bare_models_identity_does_not_know_of_the_adapter(both: tuple[LocalLLM, LocalLLM]) -> None:
    bare, adapted = both
    alone = LocalLLM("smollm2", engines=1)
    assert await alone.identify() == bare.identity, "so that replies in the store serve both"
    assert adapted.identity != bare.identity
    assert adapted.identity.split()[0].startswith(bare.identity.split()[0] + "+")


@needs_model
async def test_what_is_shared_is_freed_by_the_last_to_close(adapter: Path) -> None:
    bare = LocalLLM("smollm2", engines=1)
    adapted = LocalLLM(f"smollm2+{adapter}", beside=(bare,))
    await bare.prepare()
    await adapted.prepare()
    await bare.close()
    assert (await adapted.complete(raw("One, two,", max_tokens=2))).replies
    assert bare.engines._loaded == 1
    await adapted.close()
    assert bare.engines._loaded == 0


@needs_model
async def test_an_adapter_of_another_model_is_a_config_error(tmp_path: Path) -> None:
    llm = LocalLLM(f"smollm2+{write_tiny_adapter(tmp_path / 'narrow.gguf', width=64)}")
    with pytest.raises(ConfigError, match=r"narrow\.gguf cannot be loaded"):
        await llm.prepare()


@needs_model
def test_an_adapter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.gguf cannot be read"):
        LocalLLM(f"smollm2+{tmp_path / 'nowhere.gguf'}")


@needs_model
async def test_engines_that_are_loaded_without_the_adapter_load_it_too(adapter: Path) -> None:
    bare = LocalLLM("smollm2", engines=2)
    await bare.prepare()
    expected = await texts(bare)
    adapted = LocalLLM(f"smollm2+{adapter}", beside=(bare,))
    assert adapted.engines is bare.engines
    await adapted.prepare()
    assert bare.engines._loaded == 1
    assert await texts(adapted) != expected
    both = await asyncio.gather(texts(bare), texts(adapted))
    assert both[0] == expected
    assert both[1] != expected
    await adapted.close()
    await bare.close()


@needs_model
async def test_an_adapter_that_fails_does_no_harm_to_the_bare_model(tmp_path: Path) -> None:
    bare = LocalLLM("smollm2", engines=1)
    narrow = LocalLLM(f"smollm2+{write_tiny_adapter(tmp_path / 'narrow.gguf', width=64)}", beside=(bare,))
    with pytest.raises(ConfigError, match=r"narrow\.gguf cannot be loaded"):
        await narrow.prepare()
    await bare.prepare()
    expected = await texts(bare)
    with pytest.raises(ConfigError, match=r"narrow\.gguf cannot be loaded"):
        await narrow.prepare()
    assert await texts(bare) == expected
    await bare.close()
    assert bare.engines._loaded == 0


@needs_model
async def test_an_adapter_that_is_written_anew_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    file = write_tiny_adapter(tmp_path / "tiny.gguf")
    adapted = LocalLLM(f"smollm2+{file}", engines=2)
    await adapted.prepare()
    expected = await answer(adapted, QUESTIONS[0])
    write_tiny_adapter(file, seed=1)
    assert await answer(adapted, QUESTIONS[0]) == expected, "what is loaded is not read again"
    both = await asyncio.gather(*(answer(adapted, QUESTIONS[0]) for _ in range(2)), return_exceptions=True)
    refused = next(one for one in both if isinstance(one, ConfigError))
    assert "tiny.gguf has changed" in str(refused)
    assert expected in both
    await adapted.close()


@needs_model
async def test_nothing_is_computed_before_it_is_known_what_computes(adapter: Path) -> None:
    with pytest.raises(RuntimeError, match=r"before prepare"):
        await answer(LocalLLM(f"smollm2+{adapter}"), QUESTIONS[0])


@needs_model
def test_both_roles_of_a_run_share_one_model(adapter: Path) -> None:
    spec = RunSpec(task_model="local:smollm2", optimizer_model=f"local:smollm2+{adapter}")
    models = open_models(spec, small_task(), NO_EXTRAS)
    assert models.task is not models.optimizer
    assert models.task.engines is models.optimizer.engines
    slots = models.slots(lambda: None)
    assert isinstance(slots, PrefixSlots)
    assert slots.level == models.task.engines.most
    # A step that time ends in the middle shall have some prompts done as a whole.
    assert not isinstance(models.slots(lambda: None, in_order=True), PrefixSlots)


@needs_model
def test_what_is_known_to_an_engine_is_asked_where_no_other_model_takes_part(tmp_path: Path) -> None:
    def slots(**settings: Any) -> Slots:
        return open_models(RunSpec(task_model="local:smollm2", **settings), small_task(), NO_EXTRAS).slots(lambda: None)

    assert slots(concurrency=1).level == 1
    assert isinstance(slots(concurrency=1), PrefixSlots)
    assert isinstance(slots(optimizer_model="simulated:plain"), FixedSlots)
    assert not isinstance(slots(optimizer_model="simulated:plain"), PrefixSlots)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")
    # Other files are read from an empty cache, so that no order saves anything.
    assert not isinstance(slots(optimizer_model=f"local:{other}"), PrefixSlots)


@needs_model
def test_different_files_and_settings_share_nothing(tmp_path: Path) -> None:
    first = LocalLLM("smollm2")
    assert LocalLLM("smollm2", beside=(first,)).engines is first.engines
    assert LocalLLM("smollm2", threads=2, beside=(first,)).engines is not first.engines
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")
    assert LocalLLM(str(other), beside=(first,)).engines is not first.engines


def test_base_and_adapter_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert split_model("smollm2") == ("smollm2", "")
    assert split_model("smollm2+writer") == ("smollm2", "writer")
    monkeypatch.chdir(tmp_path)
    for name in ("c++.gguf", "d.gguf", "smollm2+writer", "a+b/model.gguf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert split_model("c++.gguf") == ("c++.gguf", "")
    assert split_model("c++.gguf+d.gguf") == ("c++.gguf", "d.gguf")
    assert split_model("d.gguf+e+f.gguf") == ("d.gguf", "e+f.gguf")
    assert split_model("a+b/model.gguf+/c/d.gguf") == ("a+b/model.gguf", "/c/d.gguf")
    assert split_model("smollm2+a+b.gguf") == ("smollm2", "a+b.gguf")
    assert split_model("smollm2+writer") == ("smollm2", "writer"), "a file of that name is no model"
    assert split_model("missing++.gguf") == ("missing++.gguf", ""), "to be named as a whole"


@needs_model
def test_a_misspelt_writer_is_told_from_a_missing_file() -> None:
    with pytest.raises(ConfigError, match=r"Writer cannot be read .*; local:MODEL\+ADAPTER takes .* or writer"):
        LocalLLM("smollm2+Writer")


@pytest.mark.parametrize("name", ["model.gguf+", "+writer", "smollm2+"])
def test_half_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="names no adapter"):
        split_model(name)


@pytest.mark.parametrize("role", ["task", "judge"])
def test_only_the_optimizer_writes_prompts(role) -> None:
    with pytest.raises(ConfigError, match=rf"--{role}-model local:smollm2 is the bare model"):
        open_model("local:smollm2+writer", role=role, base_url=None, api_key_env=None, timeout=1, rows=(), labels=())


def test_a_writer_that_is_handed_in_is_no_task_model_either() -> None:
    spec = RunSpec(task_model="python:local:smollm2+writer", optimizer_model="local:smollm2")
    with pytest.raises(ConfigError, match="writes prompts and does nothing else"):
        open_models(spec, small_task(), NO_EXTRAS)


def test_the_writer_fits_one_model(tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match="fits no other model"):
        LocalLLM(f"{other}+writer")


def small_task() -> Task:
    row = Example(id="1", inputs=(("text", "Nice."),), target="good")
    splits = Splits(train=(row,), dev=(row,), test=(row,), unused=0, leaked=(), notes=())
    return build_task(splits, prompt="Good or bad?")
