"""Finds answers in replies by a regular expression: a process of its own, which imports nothing of ours.

Reads lines of JSON, first the pattern and then texts, and writes a line for each text: its answer, or an empty one.
The argument is how many seconds a text may take; then the process ends, also where nobody is left to end it.
"""

from __future__ import annotations

import json
import re
import signal
import sys


def main() -> None:
    """Answer until there is nothing to read."""
    lines = iter(sys.stdin.buffer)
    pattern = re.compile(json.loads(next(lines)))
    for line in lines:
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
        found = pattern.search(json.loads(line))
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps((found[1] or "") if found else ""), flush=True)


if __name__ == "__main__":
    main()
