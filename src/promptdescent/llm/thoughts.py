"""From the raw text of a model to a :class:`Reply`: reasoning is taken out and counted, stop strings end the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from promptdescent.records import Finish, Reply

_OPENING = re.compile(r"^[ \t]*<think>", re.MULTILINE | re.IGNORECASE)
_ANY_OPENING = re.compile(r"<think>", re.IGNORECASE)
_CLOSING = re.compile(r"</think>", re.IGNORECASE)


def strip_thoughts(text: str) -> tuple[str, int]:
    """``text`` without its ``<think>`` parts, and the number of characters in them, tags not counted.

    A part begins at a ``<think>`` that starts the text or a line, and ends at the next ``</think>``, or with the text
    if the reply was cut off before. A ``</think>`` that no ``<think>`` comes before ends a part that began with the
    text: some servers put the opening tag into the prompt. Tags inside a line are left alone, since a prompt may well
    speak of them. A text without such parts is returned as it is; otherwise outer white space is dropped as well.
    """
    if "<" not in text:  # so are most replies
        return text, 0
    kept: list[str] = []
    counted = 0
    position = 0
    closing = _CLOSING.search(text)
    if closing and not _ANY_OPENING.search(text, 0, closing.start()):
        counted += closing.start()
        position = closing.end()
    start = position
    while opening := _OPENING.search(text, position):
        kept.append(text[start : opening.start()])
        closing = _CLOSING.search(text, opening.end())
        end = closing.start() if closing else len(text)
        counted += end - opening.end()
        position = start = closing.end() if closing else len(text)
    if not position:
        return text, 0
    kept.append(text[start:])
    return "".join(kept).strip(), counted


def read_reply(raw: str, *, finish: Finish = "stop", stop: Sequence[str] = (), thought_chars: int = 0) -> Reply:
    """The reply that a model's text ``raw`` is.

    The text is cut at the first of the strings ``stop``, which not every server does; a text cut there has ended by
    itself. ``thought_chars`` counts reasoning that came apart from the text.
    """
    text, stripped = strip_thoughts(raw)
    if stop:
        ends = [place for place in (text.find(string) for string in stop if string) if place >= 0]
        if ends:
            text = text[: min(ends)]
            finish = "stop" if finish == "length" else finish
    return Reply(text=text, finish=finish, thought_chars=thought_chars + stripped)
