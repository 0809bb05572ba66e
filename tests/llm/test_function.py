"""Any Python callable as a model."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from llm_contract import CHECKS, chat, raw

from promptdescent.errors import EndpointFailed, PermanentError, RateLimited
from promptdescent.llm.base import Request
from promptdescent.llm.function import FunctionLLM
from promptdescent.records import Reply

pytestmark = pytest.mark.anyio

Messages = Sequence[dict[str, str]] | str


def echo(given: Messages) -> str:
    return f"You said: {given if isinstance(given, str) else given[-1]['content']}"


async def async_echo(given: Messages) -> str:
    return echo(given)


class Model:
    async def __call__(self, given: Messages) -> str:
        return echo(given)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("function", [echo, async_echo, Model(), lambda given: async_echo(given)])
async def test_contract(check, function) -> None:
    llm = FunctionLLM(function)
    await llm.prepare()
    await check(llm)
    await llm.close()


async def test_a_plain_function_does_not_block_the_event_loop() -> None:
    where = []
    await FunctionLLM(lambda given: where.append(threading.current_thread()) or "x").complete(chat("a"))
    assert where != [threading.main_thread()]


async def test_it_gets_chats_as_dicts_texts_as_text_and_the_request_if_it_asks() -> None:
    given = []

    def model(messages: Messages, *, request: Request) -> str:
        given.append((messages, request))
        return "fine"

    llm = FunctionLLM(model)
    await llm.complete(chat("hello", temperature=0.5))
    await llm.complete(raw("the rest"))
    assert given[0] == ([{"role": "user", "content": "hello"}], chat("hello", temperature=0.5))
    assert given[1] == ("the rest", raw("the rest"))


async def test_a_first_parameter_called_request_gets_the_messages() -> None:
    completion = await FunctionLLM(lambda request: str(type(request))).complete(chat("hello"))
    assert completion.replies[0].text == "<class 'list'>"


async def test_a_reply_is_passed_on_and_thoughts_in_a_text_are_stripped() -> None:
    reply = Reply(text="x", finish="length", thought_chars=3)
    assert (await FunctionLLM(lambda _: reply).complete(chat("a"))).replies == (reply,)
    text = (await FunctionLLM(lambda _: "<think>hm</think>\nyes").complete(chat("a"))).replies[0]
    assert text == Reply(text="yes", thought_chars=2)


async def test_its_own_model_errors_pass_and_others_are_named() -> None:
    def limited(_: Messages) -> str:
        raise RateLimited("wait", retry_after=3.0)

    def broken(_: Messages) -> str:
        raise ValueError("bad key sk-abcdef123456")

    async def broken_later(_: Messages) -> str:
        raise StopIteration

    with pytest.raises(RateLimited) as limit:
        await FunctionLLM(limited).complete(chat("a"))
    assert limit.value.retry_after == 3.0
    with pytest.raises(EndpointFailed, match="broken raised ValueError: bad key") as failure:
        await FunctionLLM(broken, name="broken").complete(chat("a"))
    assert "sk-abc" not in str(failure.value)
    with pytest.raises(EndpointFailed, match="raised"):
        await FunctionLLM(broken_later).complete(chat("a"))
    with pytest.raises(EndpointFailed, match="StopIteration"):
        await FunctionLLM(lambda _: next(iter(()))).complete(chat("a"))


async def test_anything_but_text_or_reply_is_an_error_for_good() -> None:
    with pytest.raises(PermanentError, match="returned int; it must return str or Reply"):
        await FunctionLLM(lambda _: 3).complete(chat("a"))


def test_replies_are_shared_only_under_a_declared_version() -> None:
    assert FunctionLLM(echo).version is None
    assert FunctionLLM(echo).identity != FunctionLLM(echo, version="1").identity
    assert FunctionLLM(echo, version="1").identity == FunctionLLM(echo, version="1").identity
    assert FunctionLLM(echo, version="1").identity != FunctionLLM(echo, version="2").identity
    assert FunctionLLM(echo, version="1").identity != FunctionLLM(async_echo, version="1").identity
