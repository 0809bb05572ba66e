"""Small stand-ins for the protocols, for tests of the layers above them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from promptdescent.llm.base import Completion, Request, StoredReply, Totals
from promptdescent.records import ROLES, Message, Reply, Role, Usage

Answer = str | Reply | BaseException


class ScriptedLLM:
    """Answers by a function of the request and the number of the call; sleeps first where told to."""

    def __init__(
        self,
        answer: Callable[[Request, int], Answer | Sequence[Answer]],
        *,
        serves_n: bool = False,
        delay: Callable[[Request], float] = lambda request: 0.0,
    ) -> None:
        self.answer = answer
        self.serves_n = serves_n
        self.delay = delay
        self.refuses_temperature = False
        self.identity = "scripted"
        self.requests: list[Request] = []
        self.open = 0
        self.most_open = 0

    async def prepare(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        number = len(self.requests)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(self.delay(request))
        finally:
            self.open -= 1
        answers = self.answer(request, number)
        several = answers if isinstance(answers, (list, tuple)) else [answers]
        for one in several:
            if isinstance(one, BaseException):
                raise one
        replies = tuple(one if isinstance(one, Reply) else Reply(text=str(one)) for one in several)
        return Completion(replies=replies, usage=Usage(calls=1, tokens_in=10, tokens_out=2 * len(replies)))


class MemoryBooks:
    """Ledger and reply store in memory."""

    def __init__(self) -> None:
        self.replies: dict[str, StoredReply] = {}
        self.log: list[tuple[str, object]] = []
        self.uses: dict[str, tuple[Role, Usage]] = {}
        self.attempts: list[Role] = []
        self.tokens: dict[Role, Usage] = {role: Usage() for role in ROLES}

    async def find(self, keys: Sequence[str]) -> Mapping[str, StoredReply]:
        await asyncio.sleep(0)
        return {key: self.replies[key] for key in keys if key in self.replies}

    async def begin(self, call: str, role: Role) -> int:
        self.attempts.append(role)
        self.log.append(("begin", call))
        return len(self.attempts) - 1

    async def succeed(self, attempt: int, replies: Sequence[StoredReply]) -> None:
        self.log.append(("succeed", attempt))
        role = self.attempts[attempt]
        usage = replies[0].usage
        self.tokens[role] += Usage(tokens_in=usage.tokens_in, tokens_out=usage.tokens_out)
        self.replies.update({stored.key: stored for stored in replies})

    async def fail(self, attempt: int, error: str) -> None:
        self.log.append(("fail", attempt))

    async def use(self, call: str, role: Role, usage: Usage) -> None:
        self.uses.setdefault(call, (role, usage))

    def used_calls(self) -> Collection[str]:
        return self.uses.keys()

    def totals(self) -> Mapping[Role, Totals]:
        return {
            role: Totals(
                used=sum((usage for other, usage in self.uses.values() if other == role), Usage()),
                paid=Usage(calls=self.attempts.count(role)) + self.tokens[role],
            )
            for role in ROLES
        }


def user(text: str) -> tuple[Message, ...]:
    """One user turn."""
    return (Message(role="user", content=(text,)),)
