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
from promptdescent.verdict.words import p_value_words
from promptdescent.version import __version__

TEMPLATES = Path(__file__).parent / "templates"


class Views:
    """Fills templates: those of the dashboard, which use those of the report."""

    def __init__(self) -> None:
        self._environment = environment(TEMPLATES)
        self._environment.globals["program_version"] = __version__
        self._environment.filters.update(
            moment=moment, money=dollars, duration=duration, meter=meter_text, cap=cap_text, p_value=p_value_words
        )

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
    return _amount(meter, meter.value) if meter.cap is None else f"{_amount(meter, meter.value)} of {cap_text(meter)}"


def cap_text(meter: Meter) -> str:
    """The cap, or what was forecast where there is none."""
    if meter.cap is not None:
        return _amount(meter, meter.cap)
    return "no cap" if meter.forecast is None else f"forecast: at most {_amount(meter, meter.forecast)}"


def _amount(meter: Meter, value: float) -> str:
    return dollars(value) if meter.name == "US dollars" else f"{value:,.0f}"
