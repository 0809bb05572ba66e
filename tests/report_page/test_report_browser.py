"""The report in a browser: opened from disk in light and dark, on a phone and on paper, by keyboard and by ear."""

from __future__ import annotations

from pathlib import Path

from page_samples import open_store, whole_run

from browser import browser, watched
from promptdescent.report.html.render import report_html
from promptdescent.report.page.content import read_page

LONG_WORD = "<b>" + "unbroken" * 40


def test_report_opens_from_disk_everywhere(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    page = read_page(store, whole_run(store, text=f" {LONG_WORD}"))
    store.close()
    file = tmp_path / "report.html"
    file.write_text(report_html(page), encoding="utf-8")
    address = file.as_uri()
    with browser() as opened:
        with watched(opened, address, width=1200) as seen:
            assert seen.page.locator("h1").inner_text().replace("\u00a0", " ") == page.verdict.headline
            seen.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            assert seen.axe() == []
            # Copying works without a clipboard of the browser, as in a file: the text is put there by hand.
            seen.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
            button = seen.page.locator("button[data-copy=found-prompt]")
            seen.page.evaluate("document.addEventListener('copy', () => { window.copied = String(getSelection()) })")
            button.press("Enter")
            assert "Copied" in button.inner_text()
            assert seen.page.evaluate("window.copied") == page.best
            edge = seen.page.locator("#figure-explanation").bounding_box()["x"]
            labels = seen.page.locator("#figure-explanation .wide svg text").all()
            assert min(label.bounding_box()["x"] for label in labels) >= edge, "a name sticks out"
            assert (seen.errors, seen.requests) == ([], [address])
            dark_ink = "getComputedStyle(document.querySelector('.chart path[stroke=\"#0b63a5\"]')).stroke"
            light = seen.page.evaluate(dark_ink)
            seen.page.emulate_media(media="print")
            assert not button.is_visible()
            assert seen.page.locator(".chart .wide").first.is_visible()
        with watched(opened, address, width=390, dark=True) as seen:
            assert seen.page.evaluate(dark_ink) != light
            assert seen.axe() == []
            seen.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            assert not seen.scrolls_sideways()
            assert seen.page.locator(".chart .narrow").first.is_visible()
            seen.page.keyboard.press("Tab")
            assert seen.page.evaluate("document.activeElement.className") == "skip"
            assert seen.errors == []
        with watched(opened, address, java_script_enabled=False) as seen:
            assert seen.page.locator("section").count() == 13
            assert not seen.page.locator("button").first.is_visible()
