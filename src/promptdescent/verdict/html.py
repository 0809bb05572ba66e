"""A result as a fragment of HTML, for notebooks: the verdict, then the words that went and came. All of it is escaped,
colours and underlines suit light and dark pages, and there is no script in it.
"""

from __future__ import annotations

from html import escape

from promptdescent.text import word_diff, word_edit_distance

_MARKS = {
    # A tint and a line under or through the words: nothing rests on colour alone, and the text keeps the page's colour.
    "insert": ("ins", "text-decoration:underline;background:rgba(34,160,80,0.28)"),
    "delete": ("del", "text-decoration:line-through;background:rgba(215,60,60,0.28)"),
}
_PROMPT = (
    "white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid rgba(128,128,128,0.5);border-radius:4px;"
    "padding:0.6em 0.8em;margin:0.4em 0;font-family:monospace"
)


def result_html(*, run: str, sentence: str, before: str, after: str) -> str:
    """A run's verdict in a sentence, and its starting prompt ``before`` against the found one ``after``."""
    distance = word_edit_distance(before, after)
    if distance == 0:
        title = "The found prompt is the starting prompt"
    else:
        title = f"From the starting prompt to the found one: {distance:,} word{'' if distance == 1 else 's'} changed"
    marked = "".join(_marked(part.kind, part.text) for part in word_diff(before, after))
    return _page(run, f"<p><strong>{escape(sentence)}</strong></p>{_titled(title, marked)}")


def score_html(*, run: str, sentence: str, prompt: str) -> str:
    """What one prompt scores, in a sentence, and the prompt."""
    return _page(run, f"<p><strong>{escape(sentence)}</strong></p>{_titled('The prompt', escape(prompt))}")


def _marked(kind: str, text: str) -> str:
    if kind not in _MARKS:
        return escape(text)
    name, style = _MARKS[kind]
    words = text.rstrip()  # the white space after the last word is not underlined
    return f'<{name} style="{style}">{escape(words)}</{name}>{escape(text[len(words) :])}'


def _titled(title: str, marked: str) -> str:
    return f'<p style="margin:0">{title}:</p><div style="{_PROMPT}">{marked}</div>'


def _page(run: str, inside: str) -> str:
    more = f"Run {escape(run)}: <code>promptdescent show {escape(run)}</code>"
    return f'<div style="max-width:60em">{inside}<p style="opacity:0.75">{more}</p></div>'
