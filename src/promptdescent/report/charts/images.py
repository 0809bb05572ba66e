"""Figures as SVG, PNG and PDF, drawn without a browser and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from xml.etree import ElementTree

from promptdescent.report.charts.chart import Chart, at_width
from promptdescent.report.text import printable

ImageFormat = Literal["svg", "png", "pdf"]

_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset({"svg", "g", "path", "line", "rect", "circle", "text", "tspan", "defs", "clipPath"})
_ATTRIBUTES = frozenset(
    {"clip-path", "cx", "cy", "d", "display", "dx", "dy", "fill", "fill-opacity", "font-size", "font-weight", "height"}
    | {"id", "opacity", "r", "rx", "ry", "stroke", "stroke-dasharray", "stroke-linecap", "stroke-linejoin"}
    | {
        "stroke-opacity",
        "stroke-width",
        "text-anchor",
        "transform",
        "viewBox",
        "width",
        "x",
        "x1",
        "x2",
        "y",
        "y1",
        "y2",
    }
)
_VEGA_LITE = "6.4"
"""The version of Vega-Lite that draws, of those that the renderer brings."""


def image(chart: Chart, kind: ImageFormat) -> bytes:
    """The figure as a file for a paper or a slide, on white."""
    import vl_convert

    spec = {**chart.spec, "background": "white"}
    if kind == "svg":
        return _as_utf8(vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE))
    if kind == "png":
        return bytes(vl_convert.vegalite_to_png(spec, vl_version=_VEGA_LITE, scale=2))
    return bytes(vl_convert.vegalite_to_pdf(spec, vl_version=_VEGA_LITE))


def inline_svg(spec: Mapping[str, Any], *, width: int, name: str, title: str) -> str:
    """The figure as an element for a page: nothing but shapes and words, without a style, a script or a reference.

    Its colours are those of :mod:`~promptdescent.report.charts.chart`, as attributes that a stylesheet may override.
    ``name`` is unique within the page.
    """
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(at_width(spec, width), vl_version=_VEGA_LITE)
    root = ElementTree.fromstring(drawn)  # noqa: S314 - drawn by the line above, not read from anywhere
    _strip(root, name)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title")
    heading = ElementTree.Element("title", {"id": f"{name}-title"})
    heading.text = printable(title)
    root.insert(0, heading)
    return ElementTree.tostring(root, encoding="unicode")


def _strip(element: ElementTree.Element, name: str) -> None:
    """Leave only what draws, with ids that do not clash with those of other figures."""
    element.tag = element.tag.removeprefix(_SVG)
    for key in list(element.attrib):
        if key not in _ATTRIBUTES:
            del element.attrib[key]
    if "id" in element.attrib:
        element.set("id", f"{name}-{element.attrib['id']}")
    if (clip := element.get("clip-path", "")).startswith("url(#"):
        element.set("clip-path", f"url(#{name}-{clip.removeprefix('url(#')}")
    for child in list(element):
        if child.tag.removeprefix(_SVG) not in _ELEMENTS or _draws_nothing(child):
            element.remove(child)
        else:
            _strip(child, name)


def _draws_nothing(element: ElementTree.Element) -> bool:
    """The boxes that Vega puts around everything."""
    return element.get("display") == "none" or element.get("d") in ("", "M0,0h0v0h0Z")


def _as_utf8(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")
