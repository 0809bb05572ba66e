"""The counting proxy: exact caps, the protocol, and replies that repeat."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from promptdescent.errors import (
    ConnectionLost,
    EndpointFailed,
    KeyRefused,
    ModelError,
    NoConnection,
    RequestRefused,
    RunFailed,
)
from promptdescent.experiments.race.meter import Meters, most_of
from promptdescent.experiments.race.proxy import Proxy
from promptdescent.llm.base import Completion, Draw, Request
from promptdescent.llm.limits import RetryPolicy
from promptdescent.llm.openai_compatible import OpenAICompatible
from promptdescent.records import Example, Message, ModelSettings, Reply, Role, Usage
from promptdescent.tasks.metrics import Choice, Metric, Score

LABELS = ("yes", "no")
pytestmark = pytest.mark.anyio


@dataclass
class Counting:
    """A model whose reply names its draw. A call has as many tokens as its request has bytes, and one per reply."""

    serves_n: bool = False
    context_tokens: int | None = None
    fails: list[ModelError] = field(default_factory=list)
    waits: float = 0.0
    requests: list[Request] = field(default_factory=list)
    identity: str = "counting"
    refuses_temperature: bool = False

    async def prepare(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        await asyncio.sleep(self.waits)
        if self.fails:
            raise self.fails.pop(0)
        replies = tuple(
            Reply(text=f"yes {request.draw.seed}/{request.draw.index + place}") for place in range(request.n)
        )
        text = request.text or "".join(message.text for message in request.messages)
        return Completion(replies=replies, usage=Usage(calls=1, tokens_in=len(text.encode()), tokens_out=request.n))


@dataclass
class Client:
    """Asks a proxy as other programs do."""

    session: aiohttp.ClientSession
    base_url: str
    proxy: Proxy
    meters: Meters
    log: Path

    async def post(self, path: str, body: object, *, key: str | None = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.proxy.key if key is None else key}"}
        async with self.session.post(self.base_url + path, data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    async def chat(self, text: str, *, model: str = "task", **more: object) -> tuple[int, Any]:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return await self.post("/chat/completions", body)

    async def said(self, text: str, **more: Any) -> list[str]:
        status, answer = await self.chat(text, **more)
        assert status == 200, answer
        return [choice["message"]["content"] for choice in answer["choices"]]


@asynccontextmanager
async def serving(
    folder: Path, llm: Counting | None = None, *, cap: int = 10**6, seed: int = 3, metric: Metric | None = None
) -> AsyncGenerator[Client, None]:
    model = llm or Counting()
    caps: dict[Role, int] = {"task": cap, "optimizer": cap}
    meters = Meters(caps, folder / "calls.jsonl")
    proxy = Proxy(
        {
            "task": (model, ModelSettings(name="m", temperature=0.0, max_tokens=20)),
            "optimizer": (model, ModelSettings(name="m", temperature=1.0, max_tokens=50)),
        },
        meters=meters,
        metric=metric or Choice(labels=LABELS),
        seed=seed,
        retry=RetryPolicy(attempts=3, first_wait=0.001),
    )
    async with proxy.serving() as base_url, aiohttp.ClientSession() as session:
        yield Client(session, base_url, proxy, meters, folder / "calls.jsonl")


async def test_a_reply_comes_in_the_form_of_openai(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        status, answer = await client.chat("Is it?", response_format={"type": "json"}, unknown=1)
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "yes 0/0"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 6, "completion_tokens": 1, "total_tokens": 7}


async def test_raw_completion_is_served(tmp_path: Path) -> None:
    model = Counting()
    async with serving(tmp_path, model) as client:
        status, answer = await client.post("/completions", {"model": "optimizer", "prompt": "Input: a\n", "stop": "\n"})
    assert (status, answer["choices"][0]["text"][:3]) == (200, "yes")
    assert (model.requests[0].text, model.requests[0].stop, model.requests[0].messages) == ("Input: a\n", ("\n",), ())


async def test_our_own_client_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as client:
        monkeypatch.setenv("A_KEY", client.proxy.key)
        llm = OpenAICompatible("optimizer", base_url=client.base_url, api_key_env="A_KEY")
        await llm.prepare()
        message = Message(role="user", content=("Write.",))
        draw = Draw(seed=0, step=0, slot="", index=0)
        request = Request(role="optimizer", messages=(message,), temperature=1.0, max_tokens=9, n=3, draw=draw)
        completion = await llm.complete(request)
        await llm.close()
    assert [reply.text for reply in completion.replies] == ["yes 3/0", "yes 3/1", "yes 3/2"]


async def test_the_role_holds_a_client_to_its_settings(tmp_path: Path) -> None:
    model = Counting()
    async with serving(tmp_path, model) as client:
        await client.chat("a", max_tokens=1000)
        await client.chat("b", max_tokens=5, temperature=0.5)
        await client.chat("c", model="optimizer", max_completion_tokens=7)
    assert [(request.role, request.max_tokens, request.temperature) for request in model.requests] == [
        ("task", 20, 0.0),
        ("task", 5, 0.5),
        ("optimizer", 7, 1.0),
    ]


ASKED: dict[str, Any] = {"model": "task", "messages": [{"role": "user", "content": "a"}]}
IMAGE = [{"role": "user", "content": [{"type": "image_url"}]}]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        pytest.param(b"{", None, id="no JSON"),
        pytest.param([], None, id="a list"),
        pytest.param({"model": "task"}, "messages", id="no messages"),
        pytest.param({**ASKED, "messages": [{"role": "tool", "content": ""}]}, "messages", id="a tool"),
        pytest.param({**ASKED, "messages": IMAGE}, "messages", id="an image"),
        pytest.param({**ASKED, "n": 0}, "n", id="no samples"),
        pytest.param({**ASKED, "n": 1e3}, "n", id="no whole number of samples"),
        pytest.param({**ASKED, "max_tokens": True}, "max_tokens", id="a truth value"),
        pytest.param({**ASKED, "temperature": float("nan")}, "temperature", id="not a number"),
        pytest.param({**ASKED, "stop": [1]}, "stop", id="a stop of another type"),
        pytest.param({**ASKED, "stream": True}, "stream", id="a stream"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_the_form_of_openai(
    tmp_path: Path, body: object, parameter: str | None
) -> None:
    model = Counting()
    async with serving(tmp_path, model) as client:
        status, answer = await client.post("/chat/completions", body)
        assert (await client.chat("fine"))[0] == 200  # it goes on
    assert (status, answer["error"]["type"], answer["error"]["param"]) == (400, "invalid_request_error", parameter)
    assert len(model.requests) == 1


async def test_an_unknown_model_and_a_wrong_key_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert (await client.chat("a", model="gpt"))[0] == 404
        for path in ("/chat/completions", "/score"):
            assert (await client.post(path, {"model": "task"}, key="another"))[0] == 401
        assert client.meters.used == {"task": Usage(), "optimizer": Usage()}


async def test_no_token_above_the_cap_with_many_clients_at_once(tmp_path: Path) -> None:
    """Whatever arrives together: what is used stays within the cap, and all that fits is served."""
    model = Counting(waits=0.002)
    cap = 1000
    async with serving(tmp_path, model, cap=cap) as client:
        answers = await asyncio.gather(*(client.chat("x" * 30 + str(number)) for number in range(60)))
        used = client.meters.used["task"]
    served = [answer for status, answer in answers if status == 200]
    assert sum(answer["usage"]["total_tokens"] for answer in served) == used.tokens <= cap
    assert {status for status, _ in answers} == {200, 402}
    most = most_of(model.requests[0], None) + 1
    assert cap - used.tokens < most  # not one call more would have fitted
    assert used.calls == len(served) == len(model.requests)


async def test_once_the_cap_is_reached_the_role_is_over(tmp_path: Path) -> None:
    async with serving(tmp_path, cap=400) as client:
        assert (await client.chat("a"))[0] == 200
        status, answer = await client.chat("b" * 300)
        assert (status, answer["error"]) == (
            402,
            {
                "message": "the race's budget is used up",
                "type": "insufficient_quota",
                "param": None,
                "code": "budget_used_up",
            },
        )
        assert (await client.chat("a"))[0] == 402  # even what would fit, and is known
        assert (await client.chat("a", model="optimizer"))[0] == 200  # the other role has a cap of its own
        assert client.proxy.cut.is_set()
        assert client.meters.used_up


async def test_samples_of_a_model_that_gives_one_at_a_time_are_cut_one_by_one(tmp_path: Path) -> None:
    async with serving(tmp_path, cap=200) as client:
        status, answer = await client.chat("a", model="optimizer", n=20)
        assert status == 200
        assert 1 <= len(answer["choices"]) < 20
        assert (await client.chat("a", model="optimizer"))[0] == 402


async def test_equal_requests_at_temperature_0_are_computed_once_and_counted_every_time(tmp_path: Path) -> None:
    model = Counting(waits=0.01)
    async with serving(tmp_path, model) as client:
        answers = await asyncio.gather(*(client.said("same") for _ in range(5)))
        used = client.meters.used["task"]
    assert answers == [["yes 0/0"]] * 5
    assert len(model.requests) == 1
    assert (used.calls, used.tokens) == (5, 25)
    lines = [json.loads(line) for line in client.log.read_text(encoding="utf-8").splitlines()]
    assert sorted(line["reused"] for line in lines) == [False, True, True, True, True]
    assert {(line["role"], line["tokens_in"], line["tokens_out"]) for line in lines} == {("task", 4, 1)}


async def ask_in_turn(folder: Path, seed: int) -> list[list[str]]:
    folder.mkdir()
    async with serving(folder, seed=seed) as client:
        texts: Sequence[str] = ("a", "b", "a", "a")
        return [
            await client.said(text, model="optimizer", temperature=1, n=1 + place) for place, text in enumerate(texts)
        ]


async def test_draws_follow_the_seed_and_the_number_of_equal_requests(tmp_path: Path) -> None:
    first = await ask_in_turn(tmp_path / "first", 3)
    assert first == [
        ["yes 3/0"],
        ["yes 3/0", "yes 3/1"],
        ["yes 3/1", "yes 3/2", "yes 3/3"],
        ["yes 3/4", "yes 3/5", "yes 3/6", "yes 3/7"],
    ]
    assert await ask_in_turn(tmp_path / "again", 3) == first
    assert await ask_in_turn(tmp_path / "other", 4) != first


async def test_a_failure_that_passes_is_tried_again_and_costs_nothing(tmp_path: Path) -> None:
    model = Counting(fails=[EndpointFailed("busy"), NoConnection("not there")])
    async with serving(tmp_path, model) as client:
        assert (await client.chat("a"))[0] == 200
        assert client.meters.used["task"] == Usage(calls=1, tokens_in=1, tokens_out=1)


async def test_what_may_have_been_charged_counts_at_its_most(tmp_path: Path) -> None:
    model = Counting(fails=[ConnectionLost("dropped")])
    async with serving(tmp_path, model) as client:
        assert (await client.chat("a"))[0] == 503
        assert client.meters.used["task"].tokens == most_of(model.requests[0], None)


async def test_a_call_whose_client_is_gone_ends_with_the_search(tmp_path: Path) -> None:
    """It counts at its most: nobody knows what it cost."""
    model = Counting(waits=600)
    began = time.monotonic()
    async with serving(tmp_path, model) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.chat("a")
        assert len(model.requests) == 1
    assert time.monotonic() - began < 10
    assert client.meters.used["task"].tokens == most_of(model.requests[0], None)


async def test_refusals_are_told_apart(tmp_path: Path) -> None:
    model = Counting(fails=[RequestRefused("too long"), KeyRefused("no such key")])
    async with serving(tmp_path, model) as client:
        status, answer = await client.chat("a")
        assert (status, answer["error"]["message"], client.proxy.failure) == (400, "too long", "")
        assert (await client.chat("b"))[0] == 400
        assert client.proxy.failure == "no such key"


@pytest.mark.parametrize(
    ("reply", "score", "answer"),
    [("Yes.", 1.0, "yes"), ("no", 0.0, "no"), ("perhaps", 0.0, None), ("  ", 0.0, None)],
)
async def test_answers_are_scored_by_the_metric(tmp_path: Path, reply: str, score: float, answer: str | None) -> None:
    async with serving(tmp_path) as client:
        status, content = await client.post("/score", {"reply": reply, "input": "Is it?", "target": "yes"})
        assert (status, content["score"]) == (200, score)
        assert str(content["answer"]).lower() == str(answer).lower()
        assert (await client.post("/score", {"reply": reply}))[0] == 400


class Generous(Choice):
    """Gives points where no answer could be read."""

    def score(self, reply: str, example: Example) -> Score:
        return Score(value=1.0, answer=None)


async def test_without_an_answer_there_is_no_score_as_the_evaluator_counts(tmp_path: Path) -> None:
    async with serving(tmp_path, metric=Generous(labels=LABELS)) as client:
        _, content = await client.post("/score", {"reply": "hm", "input": "Is it?", "target": "yes"})
        assert content == {"score": 0.0, "answer": None}


class Elsewhere(Choice):
    """Scores in another process, which is gone."""

    async def score_aside(self, reply: str, example: Example) -> Score:
        await asyncio.sleep(0)
        raise RunFailed("no process can be started")

    def close(self) -> None:
        pass


async def test_a_metric_that_fails_ends_the_search_and_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, metric=Elsewhere(labels=LABELS)) as client:
        status, content = await client.post("/score", {"reply": "yes", "input": "Is it?", "target": "yes"})
        assert (status, content["error"]["message"]) == (500, "no process can be started")
        assert client.proxy.failure == "no process can be started"


async def test_a_context_bounds_what_a_call_can_cost() -> None:
    draw = Draw(seed=0, step=0, slot="", index=0)
    message = Message(role="user", content=("x" * 9000,))
    request = Request(role="task", messages=(message,), temperature=0, max_tokens=50, draw=draw)
    assert most_of(request, None) > 9000
    assert most_of(request, 4096) == 4096
    assert most_of(request.at(0, 3), 4096) == 4096 + 150
