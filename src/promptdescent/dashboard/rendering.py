"""Pages from templates. Every value in them is escaped: no template marks any as safe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptdescent.dashboard.live import Seen
from promptdescent.dashboard.standing import Meter, NewStep
from promptdescent.report.html.render import asset, environment
from promptdescent.report.numbers import dollars
from promptdescent.report.text import duration
from promptdescent.version import __version__

TEMPLATES = Path(__file__).parent / "templates"


class Views:
    """Fills templates: those of the dashboard, which use those of the report."""

    def __init__(self) -> None:
        self._environment = environment(TEMPLATES)
        self._environment.globals["program_version"] = __version__
        self._environment.filters.update(moment=moment, money=dollars, duration=duration, meter=meter_text)

    def page(self, template: str, **values: Any) -> str:
        """A whole page or a part of one. It can be written in UTF-8: halves of characters are written out."""
        return self._environment.get_template(template).render(values)

    def changes(self, run_id: str, now: Seen, steps: Sequence[NewStep]) -> str:
        """What changes on the page of a run: how it stands, and the steps that are new, oldest first."""
        return self.page("live_changes.html", run=run_id, standing=now, steps=steps)

    def lost(self, reason: str) -> str:
        """What changes on the page of a run that cannot be read for now."""
        return self.page("live_lost.html", reason=reason)


def stylesheet() -> str:
    """The one that report and pages share."""
    return asset("report.css")


def moment(at: float) -> str:
    """A Unix time as people write it, UTC, to the minute."""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M")


def meter_text(meter: Meter) -> str:
    """What is spent, and the cap if there is one."""
    write = dollars if meter.name == "US dollars" else (lambda value: f"{value:,.0f}")
    return write(meter.value) if meter.cap is None else f"{write(meter.value)} of {write(meter.cap)}"
