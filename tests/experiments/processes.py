"""The processes of this machine, as Linux lists them."""

from __future__ import annotations

import time
from pathlib import Path


def titles() -> dict[int, str]:
    """What every process calls itself, by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        found[int(folder.name)] = text.strip()
    return found


def descendants(ancestor: int) -> dict[int, str]:
    """The processes that ``ancestor`` and its children have started, with their titles."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {ancestor}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    names = titles()
    return {number: names[number] for number in found - {ancestor} if number in names}


def wait_until_gone(numbers: set[int], *, within: float) -> None:
    """Fail unless none of the processes is there any more within so many seconds."""
    deadline = time.monotonic() + within
    while left := numbers & titles().keys():
        assert time.monotonic() < deadline, f"still there: {sorted(left)}"
        time.sleep(0.1)
