"""A model server on loopback with a set latency and a set number of slots, which counts how busy it was.

At most ``slots`` requests are in service at once, each for ``latency`` seconds; the rest queue in the order of their
arrival. It speaks just enough HTTP and just enough of OpenAI's protocol, so that it costs little of the machine that it
shares with the client under test. Answers depend on the request alone: a task gets one of two labels, an optimizer (a
message that asks for a ``<prompt>``) a new prompt made from its seed.

    python benchmarks/endpoint_server.py --latency 0.05 --slots 64     # prints its port, serves until it is ended

``GET /counts`` gives its counters since the last ``DELETE /counts``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import time
from collections import deque
from dataclasses import dataclass

MODEL = "bench"
LABELS = ("yes", "no")
_WORDS = (
    *("decide", "judge", "read", "weigh", "check", "state", "name", "tell", "answer", "consider"),
    *("whether", "carefully", "the", "statement", "below", "holds", "is", "true", "plainly", "with"),
    *("one", "word", "only", "yes", "or", "no", "first", "each", "step", "then", "reply"),
)


@dataclass
class Counts:
    """What was served since the counters were last set back. Times are of a monotonic clock, in seconds."""

    requests: int = 0
    served: int = 0
    service_seconds: float = 0.0
    first_request: float = 0.0
    last_answer: float = 0.0
    most_in_service: int = 0


class Server:
    """The slots and their queue."""

    def __init__(self, *, latency: float, slots: int) -> None:
        self.latency = latency
        self.slots = slots
        self.busy = 0
        self.queue: deque[tuple[Connection, bytes]] = deque()
        self.counts = Counts()

    def arrived(self, connection: Connection, body: bytes) -> None:
        """Serve the request now, or queue it."""
        if not self.counts.requests:
            self.counts.first_request = time.monotonic()
        self.counts.requests += 1
        if self.busy < self.slots:
            self._serve(connection, body)
        else:
            self.queue.append((connection, body))

    def _serve(self, connection: Connection, body: bytes) -> None:
        self.busy += 1
        self.counts.most_in_service = max(self.counts.most_in_service, self.busy)
        loop = asyncio.get_running_loop()
        loop.call_later(self.latency, self._done, connection, body, time.monotonic())

    def _done(self, connection: Connection, body: bytes, began: float) -> None:
        now = time.monotonic()
        counts = self.counts
        counts.served += 1
        counts.service_seconds += now - began
        self.busy -= 1
        if self.queue:
            self._serve(*self.queue.popleft())
        connection.answer(_completion(body))
        counts.last_answer = time.monotonic()

    def report(self) -> bytes:
        """The counters as JSON."""
        counts = self.counts
        return json.dumps(
            {
                "requests": counts.requests,
                "served": counts.served,
                "service_seconds": counts.service_seconds,
                "wall_seconds": counts.last_answer - counts.first_request,
                "most_in_service": counts.most_in_service,
            }
        ).encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it come one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _content_length(head)
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            self._server.arrived(self, body)
        elif head.startswith(b"DELETE"):
            self._server.counts = Counts()
            self.answer(b"{}")
        elif head.startswith(b"GET /counts"):
            self.answer(self._server.report())
        else:
            self.answer(json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode())

    def answer(self, content: bytes) -> None:
        """Send a whole answer, unless the client has gone."""
        if self._transport is None or self._transport.is_closing():
            return
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._transport.write(head.encode() + content)


def _content_length(head: bytes) -> int:
    place = head.lower().find(b"content-length:")
    return int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0


def _completion(body: bytes) -> bytes:
    """The answer to a request: it follows from the body alone."""
    digest = hashlib.blake2b(body, digest_size=8).digest()
    text = LABELS[digest[0] % 2]
    if b"<prompt>" in body:
        # Few words, so that the narrowest word budget allows for all of them to change.
        words = " ".join(_WORDS[byte % len(_WORDS)] for byte in hashlib.sha256(body).digest()[:6])
        text = f"<prompt>Yes or no: {words}.</prompt>"
    usage = f'{{"prompt_tokens":{len(body) // 4},"completion_tokens":{len(text) // 4 + 1}}}'
    message = f'{{"role":"assistant","content":"{text}"}}'
    return f'{{"choices":[{{"index":0,"finish_reason":"stop","message":{message}}}],"usage":{usage}}}'.encode()


async def serve(*, latency: float, slots: int) -> None:
    """Print the port and serve for ever."""
    server = Server(latency=latency, slots=slots)
    listener = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=1024)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


def main() -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, required=True, help="seconds of service per request")
    parser.add_argument("--slots", type=int, required=True, help="requests in service at once")
    given = parser.parse_args()
    asyncio.run(serve(latency=given.latency, slots=given.slots))


if __name__ == "__main__":
    main()
