"""Word-level text tools: how far a prompt moved, what a model's reply holds, and how alike two texts are.

A word is a run of characters without white space.
"""

import hashlib
import json
import math
import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

__all__ = [
    "DiffPart",
    "LexicalSimilarity",
    "cosine",
    "extract_tagged",
    "fill",
    "fingerprint",
    "first_few",
    "normalized",
    "placeholders",
    "shared_beginning",
    "shared_run",
    "tidy_prompt",
    "word_count",
    "word_diff",
    "word_edit_distance",
    "word_runs",
    "words",
]


def words(text: str) -> list[str]:
    """The words of ``text`` in order, split on white space."""
    return text.split()


def first_few(names: Sequence[str], *, most: int = 5) -> str:
    """Names with commas between them: all, or the first ``most`` and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def word_count(text: str) -> int:
    """Number of words in ``text``."""
    return len(words(text))


# Distance and difference


def word_edit_distance(before: str, after: str) -> int:
    """Smallest number of words to insert, delete or replace that turns ``before`` into ``after``.

    The Levenshtein (1966) distance over words, a metric, 0 when the texts differ at most in white space. By the bit
    vectors of Myers (1999, Journal of the ACM 46:395-415) in the form of Hyyrö (2003): one column of the table of
    Wagner and Fischer is two whole numbers, so that texts of thousands of words take milliseconds.
    """
    source, target = _without_common_ends(words(before), words(after))
    if not source or not target:
        return len(source) + len(target)
    places: dict[str, int] = {}
    for place, word in enumerate(source):
        places[word] = places.get(word, 0) | 1 << place
    every, last = (1 << len(source)) - 1, 1 << len(source) - 1
    up, down, distance = every, 0, len(source)  # where the column grows and falls by one, and its last value
    for word in target:
        same = places.get(word, 0)
        diagonal = ((same & up) + up ^ up) | same | down
        grows, falls = down | ~(diagonal | up) & every, up & diagonal
        distance += bool(grows & last) - bool(falls & last)
        grows = grows << 1 | 1
        up = (falls << 1 | ~(diagonal | grows)) & every
        down = grows & diagonal & every
    return distance


def _without_common_ends(a: list[str], b: list[str]) -> tuple[list[str], list[str]]:
    """``a`` and ``b`` without their common prefix and suffix, which do not change the edit distance."""
    shorter = min(len(a), len(b))
    start = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    most = shorter - start
    end = next((i for i in range(most) if a[-1 - i] != b[-1 - i]), most)
    return a[start : len(a) - end], b[start : len(b) - end]


def shared_beginning(a: str, b: str) -> int:
    """Characters at the beginning of ``a`` and ``b`` that are the same."""
    lengths = range(1, min(len(a), len(b)) + 1)
    return bisect_left(lengths, True, key=lambda length: not a.startswith(b[:length]))


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffPart:
    """A stretch of words that two texts share, or that only one of them has."""

    kind: Literal["equal", "insert", "delete"]
    text: str
    """The words with the white space that follows each of them (a space at the end of a text); never empty."""


MOST_PAIRS = 500_000
"""Pairs of words up to which a difference is as small as it can be found."""


def word_diff(before: str, after: str) -> tuple[DiffPart, ...]:
    """Difference of two texts as parts to keep, insert and delete, in reading order.

    Only words are compared: a change of white space alone is no difference. Replaced words appear as a
    "delete" followed by an "insert". The texts of the parts can be joined as they are: without the deleted parts
    they give ``after`` and without the inserted parts the words of ``before``, up to white space at the ends.

    Time grows with the product of the two lengths. From ``MOST_PAIRS`` pairs of words on, words that are very common in
    ``after`` start no match, which keeps long texts to about a second and may show more as changed than is.
    """
    old, new = _word_pieces(before), _word_pieces(after)
    matcher = SequenceMatcher(None, words(before), words(after), autojunk=len(old) * len(new) > MOST_PAIRS)
    parts = []
    for operation, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if operation == "equal":
            parts.append(DiffPart(kind="equal", text="".join(new[new_start:new_end])))
            continue
        if old_start < old_end:
            parts.append(DiffPart(kind="delete", text="".join(old[old_start:old_end])))
        if new_start < new_end:
            parts.append(DiffPart(kind="insert", text="".join(new[new_start:new_end])))
    return tuple(parts)


def _word_pieces(text: str) -> list[str]:
    """The words of ``text``, each with the white space after it, so that line breaks survive in a diff."""
    return re.findall(r"\S+\s+", text.strip() + " ")


# Similarity


class LexicalSimilarity:
    """Cosine similarity of TF-IDF vectors of lower-cased words.

    The weight of a word in a text is its count times its inverse document frequency in ``corpus``, smoothed as
    ln((1 + N) / (1 + df)) + 1 so that every word keeps a positive weight: one that is in all N texts of the corpus
    weighs 1, one that is in none weighs most. (Salton and Buckley 1988; the smoothing is scikit-learn's.)

    Here words are runs of letters, digits and underscores, so punctuation does not count.
    """

    def __init__(self, corpus: Iterable[str]) -> None:
        """Count in how many texts of ``corpus`` each word occurs; an empty corpus gives all words one weight."""
        tokens_of_texts = [set(_tokens(text)) for text in corpus]
        self._size = len(tokens_of_texts)
        self._document_frequency = Counter(token for tokens in tokens_of_texts for token in tokens)

    def similarity(self, a: str, b: str) -> float:
        """Similarity of two texts, in [0, 1]; the same for (a, b) and (b, a).

        1.0 when they have the same words equally often, also when neither has any; 0.0 when they share none.
        """
        counts_a, counts_b = Counter(_tokens(a)), Counter(_tokens(b))
        if counts_a == counts_b:
            return 1.0
        if not counts_a or not counts_b:
            return 0.0
        vector_a, vector_b = self._vector(counts_a), self._vector(counts_b)
        dot = math.fsum(weight * vector_b[token] for token, weight in vector_a.items() if token in vector_b)
        norms = math.hypot(*vector_a.values()) * math.hypot(*vector_b.values())
        return min(1.0, dot / norms)

    def _vector(self, counts: Counter[str]) -> dict[str, float]:
        """TF-IDF weight of each word."""
        return {
            token: count * (math.log((1 + self._size) / (1 + self._document_frequency[token])) + 1.0)
            for token, count in counts.items()
        }


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def cosine(u: Sequence[float], v: Sequence[float]) -> float:
    """Cosine of the angle between two vectors, such as embeddings.

    Args:
        u: vector of shape (d,), d >= 1.
        v: vector of shape (d,).

    Returns:
        The cosine, in [-1, 1]; 0.0 when either vector is all zeros and has no direction.

    Raises:
        ValueError: the vectors are empty, of different lengths, or their length is not finite.
    """
    if len(u) != len(v) or len(u) == 0:
        raise ValueError(f"vectors have {len(u)} and {len(v)} components: pass two of the same size, at least 1")
    norm_u, norm_v = math.hypot(*u), math.hypot(*v)
    if not (math.isfinite(norm_u) and math.isfinite(norm_v)):
        raise ValueError("a vector holds NaN, infinity or values too large: pass finite embeddings")
    if norm_u == 0.0 or norm_v == 0.0:
        return 0.0
    # Each component is divided on its own: the product of two long or two short vectors could over- or underflow.
    dot = math.fsum((x / norm_u) * (y / norm_v) for x, y in zip(u, v, strict=True))
    return max(-1.0, min(1.0, dot))


def shared_run(a: str, b: str, length: int) -> str | None:
    """A run of ``length`` consecutive words that is in both texts, or None.

    Words are compared lower-cased and without punctuation; what is only punctuation is no word. Of several runs,
    the first in ``a`` is returned, its words in that form and joined by single spaces.

    Raises:
        ValueError: ``length`` is below 1.
    """
    if length < 1:
        raise ValueError(f"length is {length}: pass the number of words of a run, at least 1")
    runs_of_b = set(word_runs(b, length))
    return next((run for run in word_runs(a, length) if run in runs_of_b), None)


def word_runs(text: str, length: int) -> list[str]:
    """All runs of ``length`` consecutive words, in order, in the form that :func:`shared_run` compares."""
    bare = [word for word in map(_without_punctuation, words(text.lower())) if word]
    return [" ".join(bare[start : start + length]) for start in range(len(bare) - length + 1)]


def _without_punctuation(word: str) -> str:
    """``word`` without the characters of the Unicode categories P*: symbols such as + and = stay."""
    return "".join(char for char in word if not unicodedata.category(char).startswith("P"))


_MARKS = re.compile(
    r"[!?;\"`\u201c\u201d\u201e\u00ab\u00bb\u3001\u3002]|[.,:*\u2013\u2014-](?!\s*\d)|(?<=[^\W\d])[.,:*\u2013\u2014-]"
)
"""Marks that end or join sentences, quote or stress. One before a digit belongs to the number: 1.5, -1, 0-100."""


@lru_cache(maxsize=8192)
def normalized(text: str) -> str:
    """``text`` without what is no change of a prompt: two prompts with the same form are near duplicates.

    Case, white space, Unicode's compatibility forms (NFKC), apostrophes and the marks that end or join sentences, quote
    or stress are evened out. Words, their order, numbers, brackets, slashes and other symbols stay.
    """
    folded = re.sub("['\u2018\u2019]", "", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words(_MARKS.sub(" ", folded)))


# Replies of models


def extract_tagged(text: str, tag: str) -> str | None:
    """What a reply holds between ``<tag>`` and ``</tag>``, read leniently.

    Case and white space inside the angle brackets do not matter. In order of preference:

    1. the content of the last complete pair (of nested pairs, the outermost);
    2. everything after the first start tag, when no end tag follows (a reply that was cut off);
    3. everything before the first end tag (a reply whose start tag was given in the request).

    Other tags of the same name inside the content are removed.

    Returns:
        The content without white space at its ends, possibly empty; None when there is no such tag.

    Raises:
        ValueError: ``tag`` is empty.
    """
    if not tag:
        raise ValueError("tag is empty: pass the name between the angle brackets, such as 'prompt'")
    pattern = re.compile(rf"<\s*(?P<end>/\s*)?{re.escape(tag)}\s*>", re.IGNORECASE)
    tags = list(pattern.finditer(text))
    if not tags:
        return None
    start, end = _tagged_span(tags, len(text))
    return pattern.sub("", text[start:end]).strip()


def _tagged_span(tags: Sequence[re.Match[str]], text_length: int) -> tuple[int, int]:
    """Start and end of the content that ``extract_tagged`` returns; ``tags`` is not empty."""
    pair: tuple[int, int] | None = None
    open_starts: list[int] = []
    for tag in tags:
        if not tag["end"]:
            open_starts.append(tag.end())
        elif open_starts:
            pair = open_starts.pop(), tag.start()
    if pair is not None:
        return pair
    if open_starts:
        return open_starts[0], text_length
    return 0, tags[0].start()


_QUALIFIERS = "new|improved|revised|updated|optimi[sz]ed|refined|rewritten|modified|edited|better|final"
_LABEL_NAME = (
    r"(?:here(?:['\u2019]s|\s+is)\s+)?(?:(?:the|your|my|an?)\s+)?"
    rf"(?:(?:{_QUALIFIERS})\s+)*(?:system\s+)?(?:prompt|instructions?)"
)
_LABEL = re.compile(rf"(?:\*\*{_LABEL_NAME}\s*(?::\s*\*\*|\*\*\s*:)|{_LABEL_NAME}\s*:)\s*", re.IGNORECASE)
"""A label before a prompt, such as "Prompt:", "**New instruction:**" or "Here is the improved prompt:"."""

_FENCE = re.compile(r"(?P<fence>`{3,9})(?:[^\n`]*\n)?(?P<inside>.*?)(?P=fence)", re.DOTALL)
"""A code fence, with or without a language on its first line."""

_WRAPPERS = (("**", "**"), ("`", "`"), ('"', '"'), ("'", "'"), ("\u201c", "\u201d"), ("\u2018", "\u2019"))
"""Bold asterisks, backticks, and straight and curly quotation marks."""


def tidy_prompt(text: str) -> str:
    """A model's proposed prompt without what the model put around it.

    Removes, as often as they occur around the whole prompt: white space, matching quotation marks, backticks, code
    fences, bold asterisks, and leading labels such as "Prompt:" or "Here is the new prompt:". Three or more line
    breaks in a row become two. Everything else stays as it is: line breaks, code, ``{placeholders}``. Marks at
    both ends stay when they also occur between, because then they may belong to two parts: '"a" or "b"'.
    """
    tidied = re.sub(r"\n{3,}", "\n\n", text).strip()
    while (unwrapped := _unwrap_once(tidied)) != tidied:
        tidied = unwrapped
    return tidied


def _unwrap_once(text: str) -> str:
    """``text`` without one wrapper or label, or unchanged when it has none."""
    if label := _LABEL.match(text):
        return text[label.end() :].strip()
    if fenced := _FENCE.fullmatch(text):
        # A fence inside means that the ends belong to two code blocks.
        return text if fenced["fence"] in fenced["inside"] else fenced["inside"].strip()
    for left, right in _WRAPPERS:
        if _is_wrapped(text, left, right):
            return text[len(left) : -len(right)].strip()
    return text


def _is_wrapped(text: str, left: str, right: str) -> bool:
    """Whether the marks at the ends of ``text`` are one pair around all of it."""
    if len(text) < len(left) + len(right) or not (text.startswith(left) and text.endswith(right)):
        return False
    # A mark between two letters is an apostrophe, as in "don't", and no quotation mark.
    inside = re.sub(r"(?<=\w)['\u2019](?=\w)", "", text[len(left) : -len(right)])
    return left not in inside and right not in inside


# Templates

_BRACE = re.compile(r"(?P<open>\{\{)|(?P<close>\}\})|\{(?P<name>[^\W\d]\w*)\}")


def placeholders(template: str) -> tuple[str, ...]:
    """The names that stand as ``{name}`` in ``template``, each once, in order.

    A name counts only if it is an identifier. ``{{`` stands for a brace, and so does a ``}}`` that follows one; any
    other brace is text, so JSON passes as it is, nested or not.
    """
    names = (name for name, _ in _pieces(template) if name)
    return tuple(dict.fromkeys(names))


def fill(template: str, values: Mapping[str, str]) -> str:
    """``template`` with its placeholders replaced in one pass: values are never looked at for braces.

    A placeholder without a value stays as it is.
    """
    return "".join(values.get(name, text) if name else text for name, text in _pieces(template))


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    """The template cut up, as (name of a placeholder or empty, text that stands there otherwise)."""
    end = escaped = 0
    for token in _BRACE.finditer(template):
        yield "", template[end : token.start()]
        end = token.end()
        if name := token["name"]:
            yield name if name.isidentifier() else "", token.group()
        elif token["open"]:
            escaped += 1
            yield "", "{"
        else:
            # Without a "{{" before it, "}}" is the end of nested JSON and not an escape.
            yield "", "}" if escaped else "}}"
            escaped = max(0, escaped - 1)
    yield "", template[end:]


# Identity


def well_formed(text: str) -> str:
    """``text`` with U+FFFD for every half of a surrogate pair, so that it can be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
"""Made once, since :func:`json.dumps` would make one for each of a million rows."""


def fingerprint(value: object) -> str:
    """SHA-256, as 64 hexadecimal digits, of the canonical JSON of ``value``.

    The order of keys does not matter. What JSON does not tell apart has one fingerprint: tuples and lists, and
    keys such as 1 and "1".

    Raises:
        ValueError: ``value`` cannot be written as JSON, or holds NaN or infinity.
    """
    try:
        canonical = _encode(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"no fingerprint ({error}): pass strings, finite numbers, booleans, None, lists and dicts"
        ) from error
    # Replies may hold lone surrogates, which strict UTF-8 refuses.
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
