"""The client of OpenAI-compatible endpoints, against a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from fake_server import Traits, cuts, drops, failing, fake_server, rate_limited, says, sends, slow
from llm_contract import CHECKS, chat, raw

from promptdescent.assembly import Given, load_task, open_models
from promptdescent.config import RunSpec
from promptdescent.errors import (
    ConfigError,
    ConnectionLost,
    EndpointFailed,
    KeyRefused,
    MalformedReply,
    ModelNotFound,
    NoConnection,
    ParameterRefused,
    PermanentError,
    RateLimited,
    RequestRefused,
    TimedOut,
)
from promptdescent.llm import openai_compatible
from promptdescent.llm.endpoint import Endpoint, proxy_for
from promptdescent.llm.openai_compatible import OpenAICompatible
from promptdescent.llm.redaction import redact
from promptdescent.llm.thoughts import strip_thoughts
from promptdescent.records import Reply, Usage

pytestmark = pytest.mark.anyio

KEY = "sk-" + "proj-1234567890abcdef"


def connect(server, **more) -> OpenAICompatible:
    return OpenAICompatible("fake", base_url=server.base_url, **{"timeout": 20, "environ": {}, **more})


# --- contract and requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("traits", [Traits(), Traits(most_samples=1, usage=False, models=None)])
async def test_contract(check, traits: Traits) -> None:
    async with fake_server(traits=traits) as server:
        llm = connect(server)
        await llm.prepare()
        await check(llm)
        await llm.close()


async def test_what_is_sent() -> None:
    async with fake_server() as server:
        llm = connect(server)
        greedy = chat("hello", max_tokens=5)
        sampled = replace(raw("Once", temperature=0.7, max_tokens=6), stop=("\n",), n=2)
        await llm.complete(greedy)
        await llm.complete(sampled)
        await llm.close()
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].body == {
        "model": "fake",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 5,
        "temperature": 0.0,
    }
    assert server.requests[1].path == "/v1/completions"
    assert server.requests[1].body == {
        "model": "fake",
        "prompt": "Once",
        "max_tokens": 6,
        "temperature": 0.7,
        "seed": sampled.draw.model_seed(),
        "stop": ["\n"],
        "n": 2,
    }


async def test_calls_run_side_by_side_on_kept_connections() -> None:
    async with fake_server(traits=Traits(seconds=0.1)) as server:
        llm = connect(server)
        await asyncio.gather(*(llm.complete(chat(str(number))) for number in range(150)))
        await llm.close()
    assert server.most_in_flight > 100  # more than aiohttp's own limit


async def test_a_trailing_slash_makes_no_difference() -> None:
    async with fake_server() as server:
        llm = OpenAICompatible("fake", base_url=f"{server.base_url}/", environ={})
        await llm.prepare()
        assert (await llm.complete(chat("a"))).replies
        await llm.close()


@pytest.mark.parametrize("address", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://[half/v1", "nonsense"])
def test_a_base_url_that_is_none_is_named(address: str) -> None:
    with pytest.raises(ConfigError, match="--base-url"):
        OpenAICompatible("fake", base_url=address)


# --- replies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reply"),
    [
        (says(None), Reply(text="")),
        (says(""), Reply(text="")),
        (says("half a", finish="length"), Reply(text="half a", finish="length")),
        (says("", finish="content_filter"), Reply(text="", finish="refused")),
        (says(None, refusal="I will not."), Reply(text="", finish="refused")),
        (says("yes", reasoning_content="hmmm"), Reply(text="yes", thought_chars=4)),
        (says("yes", reasoning="hmmm"), Reply(text="yes", thought_chars=4)),
        (says("<think>\nhm\n</think>\n\nyes"), Reply(text="yes", thought_chars=4)),
        (says("<think>too long", finish="length"), Reply(text="", finish="length", thought_chars=8)),
        (says("positive, then negative", finish="length"), Reply(text="positive")),
    ],
)
async def test_forms_of_a_reply(fault, reply: Reply) -> None:
    async with fake_server(fault) as server:
        llm = connect(server)
        completion = await llm.complete(replace(chat("a"), stop=(",",)))
        await llm.close()
    assert completion.replies == (reply,)


async def test_content_as_a_list_of_parts() -> None:
    parts = [{"type": "thinking", "thinking": "abc"}, {"type": "text", "text": "yes "}, {"type": "text", "text": "sir"}]
    async with fake_server(says(parts)) as server:  # type: ignore[arg-type]
        llm = connect(server)
        completion = await llm.complete(chat("a"))
        await llm.close()
    assert completion.replies == (Reply(text="yes sir", thought_chars=3),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ", ("plain ", 0)),
        ("<think>a b</think>answer", ("answer", 3)),
        ("  <think>a</think>\nanswer\n<think>bc</think>\nmore", ("answer\n\nmore", 3)),
        ("<think>never closed", ("", 12)),
        ("reasoning\n</think>\n\nanswer", ("answer", 10)),
        ("Reason between <think> and </think>, then answer.", ("Reason between <think> and </think>, then answer.", 0)),
        ("<THINK>a</THINK>b", ("b", 1)),
        ("", ("", 0)),
    ],
)
def test_thoughts(text: str, expected: tuple[str, int]) -> None:
    assert strip_thoughts(text) == expected


async def test_usage_is_estimated_where_the_server_counts_none() -> None:
    async with fake_server(traits=Traits(usage=False, answer=lambda body, index: "four")) as server:
        llm = connect(server)
        completion = await llm.complete(chat("12345", n=2))
        await llm.close()
    assert completion.usage == Usage(calls=1, tokens_in=2, tokens_out=2)
    assert completion.inexact == "tells no usage"


@pytest.mark.parametrize(
    ("counts", "expected", "inexact"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3}, (7, 3), ""),
        ({"prompt_tokens": 7, "completion_tokens": 4}, (7, 4), ""),
        ({"prompt_tokens": 7, "completion_tokens": 5}, (7, 5), "takes no token limit"),
        ({"prompt_tokens": 7}, (7, 1), "tells no usage"),
        ({"prompt_tokens": 7, "completion_tokens": 0}, (7, 1), "tells no usage"),
        ({"prompt_tokens": 0, "completion_tokens": 1}, (2, 1), "tells no usage"),
        ({"prompt_tokens": -7, "completion_tokens": 1}, (2, 1), "tells no usage"),
        ({"prompt_tokens": 7.5, "completion_tokens": "2"}, (2, 1), "tells no usage"),
        ({"prompt_tokens": True, "completion_tokens": 10**30}, (2, 1), "tells no usage"),
        ({"prompt_tokens": None, "completion_tokens": 9}, (2, 9), "tells no usage and takes no token limit"),
    ],
)
async def test_usage_that_is_none(counts: dict[str, object], expected: tuple[int, int], inexact: str) -> None:
    """The limit is 4 tokens, the question has 5 characters and the answer 4."""
    async with fake_server(traits=Traits(usage=counts, answer=lambda body, index: "four")) as server:
        llm = connect(server)
        completion = await llm.complete(chat("12345", max_tokens=4))
        await llm.close()
    assert (completion.usage.tokens_in, completion.usage.tokens_out) == expected
    assert completion.inexact == inexact


async def test_the_limit_holds_for_each_sample() -> None:
    counts = {"prompt_tokens": 7, "completion_tokens": 12}
    async with fake_server(traits=Traits(usage=counts)) as server:
        llm = connect(server)
        assert (await llm.complete(chat("a", temperature=1, max_tokens=4, n=3))).inexact == ""
        assert (await llm.complete(chat("a", temperature=1, max_tokens=4, n=2))).inexact == "takes no token limit"
        await llm.close()


# --- what an endpoint refuses ----------------------------------------------------------------------------------------


async def test_refused_parameters_are_learned_once() -> None:
    async with fake_server(traits=Traits(refuses=("max_tokens", "seed", "stop", "n"))) as server:
        llm = connect(server)
        assert llm.serves_n
        request = replace(chat("a, b", temperature=0.5, n=3), stop=(",",))
        completion = await llm.complete(request)
        assert len(completion.replies) == 1
        assert completion.replies[0].text == "You said: a"
        assert not llm.serves_n
        assert len(server.calls) == 5
        await llm.complete(request)
        assert len(server.calls) == 6
        await llm.close()
    last = server.calls[-1].body
    assert "max_completion_tokens" in last
    assert not {"max_tokens", "seed", "stop", "n"} & set(last)


async def test_all_requests_in_flight_adapt() -> None:
    async with fake_server(traits=Traits(refuses=("max_tokens", "seed"), seconds=0.05)) as server:
        llm = connect(server)
        requests = [chat(str(number), temperature=0.5) for number in range(8)]
        completions = await asyncio.gather(*(llm.complete(request) for request in requests))
        await llm.close()
    assert all(completion.replies[0].text.startswith("You said:") for completion in completions)


async def test_a_refused_temperature_is_said_once_and_then_left_out() -> None:
    async with fake_server(traits=Traits(refuses=("temperature",))) as server:
        llm = connect(server)
        assert not llm.refuses_temperature
        with pytest.raises(ParameterRefused, match="temperature") as refusal:
            await llm.complete(chat("a"))
        assert refusal.value.parameter == "temperature"
        assert llm.refuses_temperature
        await llm.complete(chat("a"))
        await llm.close()
    assert "temperature" not in server.calls[-1].body
    assert server.calls[-1].body["seed"] == chat("a").draw.model_seed()


async def test_a_value_out_of_range_is_no_refused_parameter() -> None:
    faults = [
        failing(400, message="max_tokens is too large: 9000. This model supports at most 4096.", param="max_tokens"),
        failing(400, message="temperature must be at most 2", param="temperature", code="decimal_above_max_value"),
        failing(400, message="This model's maximum context length is 10 tokens.", code="context_length_exceeded"),
    ]
    async with fake_server(*faults) as server:
        llm = connect(server)
        for words in ("too large", "at most 2", "too long for the context"):
            with pytest.raises(RequestRefused, match=words):
                await llm.complete(chat("a"))
        await llm.close()
    assert len(server.calls) == 3
    assert not llm.refuses_temperature


async def test_other_ways_to_name_a_refused_parameter() -> None:
    """FastAPI's validation errors, llama.cpp's samples, and a bare sentence."""
    fastapi = (
        '{"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}'
    )
    faults = [
        sends(fastapi, status=422),
        failing(400, message="Only one completion choice is allowed"),
        failing(400, message="Use fewer. `stop` is not supported by this engine."),
    ]
    async with fake_server(*faults) as server:
        llm = connect(server)
        await llm.complete(replace(chat("a", temperature=0.5, n=2), stop=("x",)))
        await llm.close()
    assert not {"seed", "n", "stop"} & set(server.calls[-1].body)


async def test_a_server_that_gives_fewer_samples_is_asked_for_one_from_then_on() -> None:
    async with fake_server(traits=Traits(most_samples=2)) as server:
        llm = connect(server)
        assert len((await llm.complete(chat("a", temperature=1, n=5))).replies) == 2
        assert not llm.serves_n
        assert len((await llm.complete(chat("a", temperature=1, n=5))).replies) == 1
        await llm.close()
    assert "n" not in server.calls[-1].body


async def test_where_both_names_of_the_token_limit_are_refused_none_is_sent() -> None:
    async with fake_server(traits=Traits(refuses=("max_tokens", "max_completion_tokens"))) as server:
        llm = connect(server)
        first, second = [await llm.complete(chat("a")) for _ in range(2)]
        await llm.close()
    assert first.replies[0].text == "You said: a"
    assert first.inexact == second.inexact == "takes no token limit"
    assert [len({"max_tokens", "max_completion_tokens"} & set(call.body)) for call in server.calls] == [1, 1, 0, 0]


async def test_an_endpoint_that_refuses_everything_is_not_asked_for_ever() -> None:
    refusals = [
        failing(400, message=f"Unsupported parameter: '{name}'", param=name)
        for name in ("seed", "stop", "n", "max_tokens", "max_completion_tokens", "seed")
    ]
    async with fake_server(*refusals) as server:
        llm = connect(server)
        with pytest.raises(RequestRefused, match="Unsupported parameter: 'seed'"):
            await llm.complete(replace(chat("a", temperature=0.5, n=2), stop=("x",)))
        await llm.close()
    assert len(server.calls) == 6


# --- errors ----------------------------------------------------------------------------------------------------------


ERRORS = {
    "400": (failing(400), RequestRefused, "it broke"),
    "401": (failing(401), KeyRefused, "--api-key-env"),
    "403": (failing(403), KeyRefused, "it broke"),
    "402": (failing(402), PermanentError, "no quota"),
    "404 model": (failing(404, message="The model `x` does not exist"), ModelNotFound, "'fake'"),
    "404 path": (failing(404, message="Not Found"), RequestRefused, "/chat/completions.*--base-url"),
    "301": (failing(301, headers={"Location": "http://127.0.0.1:9/"}), RequestRefused, "moved"),
    "408": (failing(408), TimedOut, "408.*gave up waiting"),
    "500": (failing(500), EndpointFailed, "500"),
    "503": (failing(503), EndpointFailed, "503"),
    "429 quota": (failing(429, code="insufficient_quota"), PermanentError, "no quota"),
    "dropped": (drops, ConnectionLost, "no whole answer"),
    "cut": (cuts, ConnectionLost, "no whole answer"),
    "brackets without end": (sends("[" * 100_000), MalformedReply, "no choices"),
    "no JSON": (sends("not json"), MalformedReply, "not json"),
    "empty list": (sends('{"choices": []}'), MalformedReply, "no choices"),
    "no list": (sends('{"choices": {}}'), MalformedReply, "no choices"),
    "JSON list": (sends("[]"), MalformedReply, "no choices"),
    "no text": (sends('{"choices": [{"index": 0}]}'), MalformedReply, "without a text"),
    "error in a choice": (
        sends('{"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "lost {it}"}}]}'),
        EndpointFailed,
        "502 .lost {it}",
    ),
    "error in an answer": (sends('{"error": {"code": 429, "message": "wait"}}'), RateLimited, "wait"),
    "HTML": (sends("<html>\n<b>Bad gateway</b>", status=502), EndpointFailed, "Bad gateway"),
}


@pytest.mark.parametrize("case", ERRORS)
async def test_every_error_of_the_protocol(case: str) -> None:
    fault, error, words = ERRORS[case]
    async with fake_server(fault) as server:
        llm = connect(server)
        with pytest.raises(error, match=words) as raised:
            await llm.complete(chat("a"))
        assert type(raised.value) is error
        assert server.base_url in str(raised.value)
        assert (await llm.complete(chat("a"))).replies, "it works again afterwards"
        await llm.close()


async def test_a_slow_answer_is_a_timeout() -> None:
    async with fake_server(slow(5)) as server:
        llm = connect(server, timeout=0.2)
        with pytest.raises(TimedOut, match=r"within 0\.2 s.*--timeout") as error:
            await llm.complete(chat("a"))
        await llm.close()
    assert error.value.may_be_charged


def test_the_time_out_of_a_run_is_that_of_its_models() -> None:
    rows = [{"text": f"a{number}", "label": "xy"[number % 2]} for number in range(60)]
    flags = {"input": "text", "target": "label", "prompt": "Sort it.", "task_model": "fake"}
    spec = RunSpec().with_settings({**flags, "base_url": "http://127.0.0.1:9/v1", "timeout": 7.5})
    models = open_models(spec, load_task(spec, Given(rows=rows)), Given())
    assert isinstance(models.task, OpenAICompatible)
    assert models.task._timeout == 7.5


async def test_where_no_connection_comes_about_nothing_can_be_charged() -> None:
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # not listening
        llm = OpenAICompatible("fake", base_url=f"http://127.0.0.1:{refusing.getsockname()[1]}/v1", environ={})
        with pytest.raises(NoConnection, match="--base-url") as error:
            await llm.complete(chat("a"))
        await llm.close()
    assert not error.value.may_be_charged


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue lets clients wait on Linux alone")
async def test_waiting_for_a_connection_is_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_compatible, "CONNECT_TIMEOUT", 0.2)
    with socket.socket() as busy, contextlib.ExitStack() as waiting:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for _ in range(3):  # fill the queue, which nobody empties
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(busy.getsockname())
        llm = OpenAICompatible("fake", base_url=f"http://127.0.0.1:{busy.getsockname()[1]}/v1", environ={})
        with pytest.raises(NoConnection, match="in time"):
            await llm.complete(chat("a"))
        await llm.close()


async def test_how_long_to_wait() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    faults = [rate_limited(retry_after="2"), rate_limited(retry_after_ms="1500"), rate_limited(retry_after=soon)]
    waits = []
    async with fake_server(*faults, rate_limited(), rate_limited(retry_after="soon")) as server:
        llm = connect(server)
        for _ in range(5):
            with pytest.raises(RateLimited) as error:
                await llm.complete(chat("a"))
            waits.append(error.value.retry_after)
        await llm.close()
    assert waits[:2] == [2.0, 1.5]
    assert waits[2] is not None
    assert math.isclose(waits[2], 100, abs_tol=5)
    assert waits[3:] == [None, None]


async def test_a_server_that_is_down_may_say_for_how_long() -> None:
    async with fake_server(failing(503, headers={"Retry-After": "3"})) as server:
        llm = connect(server)
        with pytest.raises(EndpointFailed) as error:
            await llm.complete(chat("a"))
        await llm.close()
    assert error.value.retry_after == 3.0


# --- prepare and identity --------------------------------------------------------------------------------------------


async def test_an_unknown_model_names_the_nearest() -> None:
    async with fake_server(traits=Traits(models=({"id": "gpt-tiny"}, {"id": "other"}))) as server:
        llm = OpenAICompatible("gpt-tyni", base_url=server.base_url, environ={})
        with pytest.raises(ModelNotFound, match="did you mean 'gpt-tiny'"):
            await llm.prepare()
        await llm.close()
    assert server.calls == []


@pytest.mark.parametrize("listed", ["llama:latest", "models/llama"])
async def test_names_that_servers_list_in_full(listed: str) -> None:
    async with fake_server(traits=Traits(models=({"id": listed},))) as server:
        llm = OpenAICompatible("llama", base_url=server.base_url, environ={})
        await llm.prepare()
        await llm.close()


async def test_identity_follows_what_the_list_says_but_no_clock() -> None:
    async def identity(**entry: object) -> str:
        async with fake_server(traits=Traits(models=({"id": "fake", **entry},))) as server:
            llm = connect(server)
            await llm.prepare()
            await llm.close()
            return llm.identity.replace(server.base_url, "BASE")

    first = await identity(created=1, root="a", permission=[{"created": 1}])
    assert first == await identity(created=2, root="a", permission=[{"created": 2}])
    assert first != await identity(created=1, root="b")
    assert await identity(meta={"n_params": 5}) != await identity(meta={"n_params": 6})


@pytest.mark.parametrize(
    ("entry", "tokens"),
    [
        ({}, None),
        ({"max_model_len": 4096}, 4096),
        ({"context_length": 8192, "top_provider": {"context_length": 1024}}, 8192),
        ({"top_provider": {"context_length": 1024}}, 1024),
        ({"context_window": 131072}, 131072),
        ({"max_context_length": 32768}, 32768),
        ({"max_context_length": 32768, "loaded_context_length": 4096}, 4096),
        ({"meta": {"n_ctx_train": 8192}}, 8192),
        ({"meta": {"n_ctx_train": 8192, "n_ctx": 512}}, 512),
        ({"max_model_len": None, "context_window": "large", "context_length": True, "meta": {"n_ctx": 0}}, None),
    ],
)
async def test_context_as_the_list_says(entry: dict[str, object], tokens: int | None) -> None:
    async with fake_server(traits=Traits(models=({"id": "fake", **entry},))) as server:
        llm = connect(server)
        assert llm.context_tokens is None
        await llm.prepare()
        await llm.close()
    assert llm.context_tokens == tokens


def test_context_of_openais_own_models() -> None:
    assert openai_compatible.context_in_price_list("gpt-4o-mini") == 128_000
    assert openai_compatible.context_in_price_list("no-such-model") is None


@pytest.mark.parametrize("elsewhere", [None, "nothing", "list"])
async def test_an_address_without_its_version(elsewhere: str | None) -> None:
    """The list is at ``/v1`` alone; in place of it there is a 404, an answer that is no list, or another list."""

    async def other(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "Unexpected endpoint"} if elsewhere == "nothing" else {"data": []})

    async with fake_server(other=other if elsewhere else None) as server:
        address = server.base_url.removesuffix("/v1")
        llm = OpenAICompatible("fake", base_url=address, environ={})
        if elsewhere == "list":
            await llm.prepare()
        else:
            with pytest.raises(RequestRefused, match=f"give --base-url {server.base_url}$"):
                await llm.prepare()
        await llm.close()
    assert server.calls == []


async def test_where_nothing_listens_the_address_is_named() -> None:
    async with fake_server() as server:
        address = server.base_url
    llm = OpenAICompatible("fake", base_url=address, environ={})
    with pytest.raises(EndpointFailed, match="--base-url") as error:
        await llm.prepare()
    assert address in str(error.value)
    await llm.close()


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_openai_key_never_goes_to_another_host() -> None:
    async with fake_server() as server:
        llm = connect(server, environ={"OPENAI_API_KEY": KEY})
        await llm.prepare()
        await llm.complete(chat("a"))
        await llm.close()
        named = connect(server, environ={"OPENAI_API_KEY": KEY}, api_key_env="OPENAI_API_KEY")
        with pytest.raises(KeyRefused, match=r"api\.openai\.com alone"):
            await named.prepare()
    assert len(server.requests) == 2
    assert all("Authorization" not in request.headers for request in server.requests)
    assert all(KEY not in str(request) for request in server.requests)


@pytest.mark.parametrize(
    ("address", "own"),
    [
        (None, True),
        ("https://api.openai.com/v1", True),
        ("https://API.openai.com:443/v1/", True),
        ("http://api.openai.com/v1", False),
        ("https://api.openai.com:8443/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://api.openai.com@evil.example/v1", False),
        ("https://evil.example/api.openai.com/v1", False),
    ],
)
def test_openais_own_host(address: str | None, own: bool) -> None:
    assert Endpoint.of(address).is_openai is own


async def test_a_named_key_is_sent_but_follows_no_redirect() -> None:
    async with fake_server(traits=Traits(key=KEY)) as elsewhere:
        moved = failing(307, headers={"Location": f"{elsewhere.base_url}/chat/completions"})
        async with fake_server(moved, traits=Traits(key=KEY)) as server:
            llm = connect(server, environ={"MY_KEY": f" {KEY}\n"}, api_key_env="MY_KEY")
            await llm.prepare()
            with pytest.raises(RequestRefused):
                await llm.complete(chat("a"))
            assert (await llm.complete(chat("a"))).replies
            await llm.close()
        assert elsewhere.requests == []
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_a_missing_key_is_an_error_before_anything_is_sent() -> None:
    llm = OpenAICompatible("gpt", environ={})
    with pytest.raises(KeyRefused, match="OPENAI_API_KEY is not set"):
        await llm.prepare()
    async with fake_server() as server:
        llm = connect(server, api_key_env="MY_KEY", key_flag="--task-api-key-env")
        with pytest.raises(KeyRefused, match=r"MY_KEY is not set.*--task-api-key-env"):
            await llm.prepare()
        odd = connect(server, api_key_env="MY_KEY", environ={"MY_KEY": "a\nb: c"})
        with pytest.raises(KeyRefused, match="MY_KEY"):
            await odd.prepare()
    assert server.requests == []


async def test_keys_show_nowhere() -> None:
    token = "plain-token-without-a-form"  # noqa: S105
    async with fake_server(sends(f"you sent {token}"), traits=Traits(key="another")) as server:
        llm = connect(server, environ={"MY_KEY": token}, api_key_env="MY_KEY")
        with pytest.raises(MalformedReply) as malformed:
            await llm.complete(chat("a"))
        with pytest.raises(KeyRefused) as refused:
            await llm.prepare()
        with pytest.raises(KeyRefused) as refused_later:
            await llm.complete(chat("a"))
        await llm.close()
    assert "you sent [hidden]" in str(malformed.value)
    assert "MY_KEY" in str(refused.value)
    for shown in (malformed.value, refused.value, refused_later.value, repr(llm), llm.identity, vars(llm)["_caller"]):
        assert token not in str(shown)


@pytest.mark.parametrize("body", ["plain", "escaped"])
async def test_a_reply_that_repeats_the_key_is_taken_without_it(body: str) -> None:
    token = "plain-token/without+a-form"  # noqa: S105
    text = "".join(f"\\u{ord(char):04x}" for char in token) if body == "escaped" else token
    answer = f'{{"choices": [{{"message": {{"content": "It is {text}, and sk-or-not."}}}}]}}'
    list_entry = {"id": "fake", "owned_by": token, "meta": {token: f"a {token}"}}
    async with fake_server(sends(answer), traits=Traits(models=(list_entry,))) as server:
        llm = connect(server, environ={"MY_KEY": token}, api_key_env="MY_KEY")
        await llm.prepare()
        completion = await llm.complete(chat("a"))
        other = OpenAICompatible("fkae", base_url=server.base_url, environ={"K": "fake"}, api_key_env="K")
        with pytest.raises(ModelNotFound, match="did you mean 'fake'"):
            await other.prepare()
        await other.close()
        await llm.close()
    assert completion.replies == (Reply(text="It is [hidden], and sk-or-not."),)
    assert token not in llm.identity
    assert "a [hidden]" in llm.identity


async def test_a_word_given_for_a_key_stays_in_replies() -> None:
    async with fake_server(says("none of them")) as server:
        llm = connect(server, environ={"MY_KEY": "none"}, api_key_env="MY_KEY")
        assert (await llm.complete(chat("a"))).replies[0].text == "none of them"
        await llm.close()


async def test_secrets_in_the_address_show_nowhere() -> None:
    async with fake_server(failing(500, message="hunter22 and abc=s3cret")) as server:
        address = server.base_url.replace("http://", "http://me:hunter22@") + "?abc=s3cret"
        llm = OpenAICompatible("fake", base_url=address, environ={})
        await llm.prepare()
        with pytest.raises(EndpointFailed) as error:
            await llm.complete(chat("a"))
        await llm.close()
    assert server.requests[0].headers["Authorization"].startswith("Basic ")
    for shown in (str(error.value), repr(llm), llm.identity, repr(llm._endpoint)):
        assert "hunter22" not in shown
        assert "s3cret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef12345",
        "Incorrect API key provided: sk-ab***********12345.",
        "https://me:abcdef12345@host/v1",
        "GET /v1?key=abcdef12345&x=1",
        "AIzaabcdef12345",
    ],
)
def test_keys_are_known_by_their_form(text: str) -> None:
    assert "12345" not in redact(text)
    assert "[hidden]" in redact(text)


def test_ordinary_text_stays() -> None:
    text = "The bearer of bad news: a desk-top task at https://host/v1?x=1 has no key"
    assert redact(text, ["", "x"]) == text


# --- proxies ---------------------------------------------------------------------------------------------------------


async def test_proxy_variables_are_obeyed_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    async with fake_server() as server:
        llm = connect(server)
        await llm.prepare()
        assert (await llm.complete(chat("a"))).replies
        await llm.close()
    far = Endpoint.of("http://llm.invalid/v1")
    assert proxy_for(far) == "http://127.0.0.1:9"
    monkeypatch.setenv("NO_PROXY", ".invalid")
    assert proxy_for(far) is None


async def test_calls_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with fake_server() as server:
        monkeypatch.setenv("http_proxy", server.base_url.removesuffix("/v1").replace("http://", "http://me:pass@"))
        llm = OpenAICompatible("fake", base_url="http://llm.invalid/v1", environ={})
        await llm.prepare()
        await llm.close()
    assert server.requests[0].headers["Host"] == "llm.invalid"


def test_a_proxy_of_another_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://me:pass@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConfigError, match="NO_PROXY") as error:
        proxy_for(Endpoint.of(None))
    assert "pass@" not in str(error.value)
