"""The command ``report``: a run as one HTML file, and its figures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, get_args

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import DEFAULT_STORE, RunArgument, StoreFlag
from promptdescent.cli.stores import opened_store
from promptdescent.errors import ConfigError, nearest
from promptdescent.report.charts import Chart, charts_of
from promptdescent.report.charts.images import ImageFormat, image
from promptdescent.report.html.render import report_html, static_figures
from promptdescent.report.page.content import read_page

_PACKAGES = ("altair", "jinja2", "vl_convert")
_FORMATS: tuple[str, ...] = get_args(ImageFormat)


def report(
    run: RunArgument = "latest",
    file: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file.", show_default="report-ID.html"),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option("--figures", metavar="DIR", help="Write the figures into this folder, for papers and slides."),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Of the figures: svg, png or pdf, with commas between them.",
            show_default="svg",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Write the report of a run as one HTML file."""
    _check_extra()
    kinds = _kinds(formats or "svg")
    if formats is not None and figures is None:
        raise ConfigError(f"--format {formats} is for figures: give --figures DIR as well; the report is always HTML")
    with opened_store(store, must_exist=True) as opened:
        page = read_page(opened, run)
    charts = charts_of(page)
    if file is not None or figures is None:
        target = Path(file or f"report-{page.run}.html")
        html = report_html(page, static_figures(charts))
        output.write_file(target, html.encode(), flag="--output", force=force)
        output.result(f"Report of run {page.run}: {target}")
    if figures is not None:
        _write_figures(Path(figures), charts, kinds, force=force)


def _check_extra() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        names = " and ".join(name.replace("_", "-") for name in missing)
        raise ConfigError(f"a report needs {names}, of an extra: pip install 'promptdescent[report]'")


def _kinds(formats: str) -> list[ImageFormat]:
    """The formats in ``svg,png``. Raises :class:`ConfigError` for one that is not known."""
    kinds: list[ImageFormat] = []
    for name in formats.split(","):
        kind = name.strip().lower()
        if kind not in _FORMATS:
            raise ConfigError(f"--format {formats}: unknown format {kind!r}; {nearest(kind, _FORMATS)}")
        kinds.append(kind)  # type: ignore[arg-type]
    return list(dict.fromkeys(kinds))


def _write_figures(folder: Path, charts: tuple[Chart, ...], kinds: list[ImageFormat], *, force: bool) -> None:
    if not charts:
        output.message("This run has no figures: nothing was scored in steps.")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--figures {folder}: the folder cannot be made: {error.strerror}") from error
    for chart in charts:
        for kind in kinds:
            file = folder / f"{chart.name}.{kind}"
            output.write_file(file, image(chart, kind), flag="--figures", force=force)
    written = ", ".join(f"{chart.name}.{kind}" for chart in charts for kind in kinds)
    output.result(f"Figures in {folder}: {written}")
