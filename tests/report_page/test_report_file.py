"""The report as a file: sections in order, everything escaped, nothing loaded, small, and figures in three formats."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from page_samples import long_run, manifest, open_store, rows, score_event, start_event, status, whole_run, write

from promptdescent.cli import report as command
from promptdescent.errors import ConfigError
from promptdescent.report.charts import charts_of
from promptdescent.report.charts.chart import at_width
from promptdescent.report.charts.images import inline_svg
from promptdescent.report.html.render import environment, live_figures, report_html, static_figures, unbroken
from promptdescent.report.page.content import RunPage, read_page
from promptdescent.report.page.diff import diff_of
from promptdescent.store.store import Store

HOSTILE = (
    "</script></style></pre><script>alert(1)</script><img src=x onerror=alert(2)>&lt;\u202e\x00\x1b[31m'\"{{ 7*7 }}"
)
ORDER = [
    "verdict",
    "notices",
    "prompts",
    "cost",
    "score",
    "budget",
    "tokens",
    "lineage",
    "explanation",
    "flips",
    "failures",
    "rows",
    "settings",
]
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Read(HTMLParser):
    """What a browser would see: elements, attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def tags(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in names]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("runs"))
    yield opened
    opened.close()


def folder_of(store: Store) -> str:
    """As it is given with --store."""
    return str(Path(store.database.name).parent)


@pytest.fixture(scope="module")
def hostile(store: Store) -> str:
    """The report of a run whose every text tries to break out."""
    return report_html(read_page(store, whole_run(store, text=HOSTILE)))


@pytest.fixture(scope="module")
def page(store: Store) -> RunPage:
    return read_page(store, whole_run(store))


def test_sections_stand_in_order(hostile: str) -> None:
    read = Read(hostile)
    assert [attributes["aria-labelledby"] for attributes in read.tags("section")] == ORDER
    assert read.open == []
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next_one <= level + 1 for level, next_one in pairwise(levels))


def test_everything_is_escaped(hostile: str) -> None:
    read = Read(hostile)
    assert len(read.tags("script")) == len(read.tags("style")) == 1
    assert read.tags("img", "iframe", "object", "form", "link", "base") == []
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    text = "".join(read.text)
    assert text.count("<script>alert(1)</script>") > 10
    assert "{{ 7*7 }}" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", hostile)
    assert "\\u202e" in text


def test_halves_of_characters_do_not_stop_a_report(page: RunPage) -> None:
    broken = "half \ud83d of one"
    assert page.explanation is not None
    pieces = tuple(replace(piece, text=broken) for piece in page.explanation.pieces)
    changed = replace(
        page, best=broken, diff=diff_of(page.start, broken), explanation=replace(page.explanation, pieces=pieces)
    )
    html = report_html(changed, static_figures(charts_of(changed)[-1:]))
    assert "half \\ud83d of one" in html
    html.encode()


def test_nothing_is_loaded_and_only_our_own_style_and_script_run(hostile: str) -> None:
    read = Read(hostile)
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset", "background"):
                assert (tag, name) == ("a", "href")
                assert (value or "").startswith("#")
            assert name != "style", "a style in an attribute is refused by the page's own policy"
            if "url(" in (value or "") and name != "content":
                assert (value or "").startswith("url(#")
    style, script = (re.findall(f"<{tag}>(.*?)</{tag}>", hostile, flags=re.DOTALL)[0] for tag in ("style", "script"))
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = (one["content"] for one in read.tags("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for directive, content in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_ids_are_unique_and_labels_lead_somewhere(hostile: str) -> None:
    read = Read(hostile)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in read.elements:
        for name in ("aria-labelledby", "data-copy"):
            if name in attributes:
                assert attributes[name] in ids


def test_figures_have_words_and_numbers_for_those_who_do_not_see_them(page: RunPage, hostile: str) -> None:
    read, charts = Read(hostile), charts_of(page)
    assert [chart.name for chart in charts] == ["score", "budget", "tokens", "explanation"]
    assert len([one for one in read.tags("svg") if one.get("role") == "img"]) == 2 * len(charts) + 1
    assert hostile.count("<caption>") == len(read.tags("table"))
    assert all("scope" in attributes for attributes in read.tags("th"))
    assert page.search is not None
    assert len(charts[0].rows) == len(page.search.steps)
    assert charts[0].rows[-1][:2] == ("3", "0.900")


def test_rows_that_a_piece_turned_are_listed(hostile: str) -> None:
    text = "".join(Read(hostile[hostile.index("<main") :].partition("<script>")[0].replace("</body>", "")).text)
    assert "12 rows score higher with it; 10 shown" in text
    assert "1 row scores lower with it" in text
    assert "95\u00a0% interval" in text
    assert text.count("95 %") == 1, "only in the sentence that is heard, and not seen"


def test_words_that_belong_together_stay_on_a_line() -> None:
    said = "+3.0 points (95 % interval) of 4 rows"
    assert unbroken(said) == "+3.0\u00a0points\u00a0(95\u00a0% interval) of 4 rows"


def test_figures_of_a_live_page_are_places_to_fill(page: RunPage) -> None:
    figures = live_figures(charts_of(page))
    assert str(figures["score"].drawing) == '<div data-chart="score"></div>'
    assert at_width(figures["score"].chart.spec, "container")["width"] == "container"


def test_templates_escape_and_refuse_what_is_not_there() -> None:
    from jinja2 import UndefinedError

    made = environment()
    assert made.from_string("{{ text }}").render(text="<b>\u202e") == "&lt;b&gt;\\u202e"
    with pytest.raises(UndefinedError):
        made.from_string("{{ nothing }}").render()


def test_inline_drawings_hold_shapes_and_words_only(page: RunPage) -> None:
    drawing = inline_svg(charts_of(page)[0].spec, width=320, name="x", title="<b>")
    drawn = ElementTree.fromstring(drawing)  # noqa: S314 - our own
    assert {element.tag for element in drawn.iter()} <= {
        "svg",
        "title",
        "g",
        "path",
        "line",
        "rect",
        "text",
        "defs",
        "clipPath",
    }
    inside = [element for element in drawn.iter() if element is not drawn]
    assert not {"class", "style", "role", "font-family", "href"} & {name for one in inside for name in one.attrib}
    assert all(one.attrib["id"].startswith("x-") for one in inside if "id" in one.attrib)
    assert drawn[0].text == "<b>"
    assert drawn.get("width") == "320"


def test_a_report_of_a_long_run_stays_small(store: Store) -> None:
    html = report_html(read_page(store, long_run(store, count=60, candidates=8, dev_rows=200)))
    assert len(html.encode()) < 2_500_000


def test_runs_without_a_search_or_an_end_have_a_report(store: Store) -> None:
    test, dev = rows("test", 10), rows("dev", 10)
    scored = manifest(spec={"evaluate_on": "test", "prompt": "Is it good?", "data": "rows.csv"})
    runs = [
        write(store, [status("running")]),
        write(store, [start_event(dev, 5), status("failed", HOSTILE)], dev=dev),
        write(store, [score_event(test, 4), status("finished")], of=scored, test=test),
        write(store, [], of=manifest(explains="abc", spec={})),
    ]
    pages = [read_page(store, run) for run in runs]
    found = [Read(report_html(page, live_figures(charts_of(page)))) for page in pages]
    assert [[one["aria-labelledby"] for one in read.tags("section")] for read in found] == [
        ["verdict", "notices", "prompts", "cost", "settings"],
        ["verdict", "notices", "prompts", "cost", "score", "lineage", "failures", "settings"],
        ["verdict", "prompts", "cost", "failures", "settings"],
        ["verdict", "notices", "prompts", "cost", "settings"],
    ]


# --- the command -----------------------------------------------------------------------------------------------------


def test_command_writes_the_report_and_figures_that_open(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = rows("dev", 10)
    run, folder = write(store, [start_event(dev, 5)], dev=dev), folder_of(store)
    command.report(run, file=str(tmp_path / "r.html"), figures=str(tmp_path / "f"), formats="svg,png,pdf", store=folder)
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == ["score.pdf", "score.png", "score.svg"]
    assert (tmp_path / "f/score.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert (tmp_path / "f/score.pdf").read_bytes().startswith(b"%PDF-")
    svg = ElementTree.parse(tmp_path / "f/score.svg")  # noqa: S314 - our own
    assert svg.getroot().tag.endswith("svg")
    assert str(tmp_path / "r.html") in capsys.readouterr().out
    with pytest.raises(ConfigError, match="the file exists"):
        command.report(run, file=str(tmp_path / "r.html"), store=folder)


def test_command_refuses_what_it_cannot_write(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--format svg,gif: unknown format 'gif'"):
        command.report("latest", formats="svg,gif", store=folder_of(store))
    with pytest.raises(ConfigError, match=f"--output {tmp_path} is a folder: name a file in it"):
        command.report("latest", file=str(tmp_path), force=True, store=folder_of(store))
    with pytest.raises(ConfigError, match="--format png is for figures: give --figures DIR as well"):
        command.report("latest", file=str(tmp_path / "x.html"), formats="png", store=folder_of(store))
    with pytest.raises(ConfigError, match="cannot be written"):
        command.report("latest", file=str(tmp_path / "no" / "r.html"), store=folder_of(store))


def test_a_missing_extra_is_one_line_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "vl_convert" else object())
    with pytest.raises(ConfigError) as caught:
        command.report("latest", store="/nowhere")
    assert str(caught.value) == "a report needs vl-convert, of an extra: pip install 'promptdescent[report]'"
