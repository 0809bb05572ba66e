"""Where a run's time went: how full its slots were, and what each call waited for."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field

from promptdescent.llm.concurrency import Slots

STAGES = ("slot", "pace", "record", "model", "commit", "back-off")
"""What a call does in turn: wait for a slot, for the limits per minute, for its record, for the model's answer, for the
commit of the answer; and, after a failure, for another try."""


@dataclass(kw_only=True, slots=True)
class Profile:
    """Sums over a run. Times are in seconds of a monotonic clock."""

    phase: str = "start"
    calls: int = 0
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """Seconds of all calls together, by stage."""
    occupied: dict[str, list[float]] = field(default_factory=dict)
    """By phase: slot seconds taken, slot seconds there were, seconds with all slots taken, with some, with none."""
    _slots: Slots | None = None
    _since: float = 0.0
    _began: float = 0.0
    _cpu_began: float = 0.0
    _ended: float = 0.0

    def enter(self, phase: str) -> None:
        """A phase of the run begins."""
        self.slots_change()
        self.phase = phase

    def watch(self, slots: Slots) -> None:
        """Count from now on, on these slots."""
        self._slots = slots
        self._cpu_began = time.process_time()

    def slots_change(self) -> None:
        """The number of slots taken is about to change."""
        now = time.monotonic()
        slots = self._slots
        if slots is None:
            return
        if not self._began:
            self._began = self._since = now
        took = now - self._since
        sums = self.occupied.get(self.phase)
        if sums is None:
            sums = self.occupied[self.phase] = [0.0] * 5
        sums[0] += took * min(slots.busy, slots.level)
        sums[1] += took * slots.level
        sums[2 if slots.busy >= slots.level else 3 if slots.busy else 4] += took
        self._since = self._ended = now

    def add(self, stage: str, seconds: float) -> None:
        """A call spent so long in a stage."""
        self.stages[stage] += seconds

    @property
    def wall_seconds(self) -> float:
        """From the first request to the last answer."""
        return self._ended - self._began

    @property
    def busy_seconds(self) -> float:
        """How long at least one slot was taken."""
        return sum(full + some for _, _, full, some, _ in self.occupied.values())

    @property
    def efficiency(self) -> float:
        """Share of the slots' time in which a call was with the model; 0 if there was no call."""
        there = sum(sums[1] for sums in self.occupied.values())
        return self.stages["model"] / there if there else 0.0

    @property
    def cpu_seconds(self) -> float:
        """Of this process, all threads, since :meth:`watch`."""
        return time.process_time() - self._cpu_began

    @staticmethod
    def most_memory() -> float:
        """The largest resident set of this process so far, in MB."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 if os.uname().sysname == "Linux" else 1024**2)
