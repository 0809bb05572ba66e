"""What rich draws for a person at a terminal. Elsewhere the same is said in plain text, for programs and files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from promptdescent.report.text import printable
from promptdescent.text import DiffPart

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.panel import Panel
    from rich.text import Text

INSERTED, DELETED = "green underline", "red strike"

_BARS = "▁▂▃▄▅▆▇█"


def terminal() -> Console | None:
    """Where to draw; None if stdout goes to no terminal that can be drawn on."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def coloured() -> bool:
    """Whether colours are wanted, as https://no-color.org asks."""
    return not os.environ.get("NO_COLOR")


def text(words: str, style: str = "") -> Text:
    """Words in which nothing acts on the terminal or is read as markup."""
    from rich.text import Text

    return Text(printable(words), style=style)


def boxed(inside: RenderableType, title: str) -> Panel:
    """A panel as wide as the terminal."""
    from rich.panel import Panel

    return Panel(inside, title=text(title), title_align="left", border_style="dim")


def marked(parts: Iterable[DiffPart]) -> str:
    """A difference in plain text: ``[-deleted-]`` and ``{+inserted+}``."""
    return "".join(_marked(part) for part in parts)


def drawn_diff(parts: Iterable[DiffPart]) -> Text:
    """A difference in colours; where those are not wanted, in plain text."""
    if not coloured():
        return text(marked(parts))
    from rich.text import Text

    drawn = Text()
    for part in parts:
        if part.kind == "equal":
            drawn.append(printable(part.text))
            continue
        words, space = _without_space(part.text)
        drawn.append(printable(words), style=INSERTED if part.kind == "insert" else DELETED)
        drawn.append(printable(space))
    return drawn


def _marked(part: DiffPart) -> str:
    if part.kind == "equal":
        return printable(part.text)
    words, space = _without_space(part.text)
    before, after = ("{+", "+}") if part.kind == "insert" else ("[-", "-]")
    return f"{before}{printable(words)}{after}{printable(space)}"


def _without_space(piece: str) -> tuple[str, str]:
    """Words, and the white space after them, which is not to be underlined."""
    words = piece.rstrip()
    return words, piece[len(words) :]


def sparkline(values: Iterable[float | None]) -> str:
    """One bar per value, from the lowest to the highest; a dot where there is none."""
    known = list(values)
    numbers = [value for value in known if value is not None]
    if not numbers:
        return ""
    low, span = min(numbers), max(numbers) - min(numbers)

    def bar(value: float | None) -> str:
        if value is None:
            return "·"
        return _BARS[round((value - low) / span * (len(_BARS) - 1))] if span else _BARS[len(_BARS) // 2]

    return "".join(map(bar, known))
