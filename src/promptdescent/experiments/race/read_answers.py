"""Finds answers in replies by a regular expression: a process of its own, which imports nothing of ours.

Reads lines of JSON, first the pattern and then texts, and writes a line for each text: its answer, or an empty one.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Answer until there is nothing to read."""
    lines = iter(sys.stdin.buffer)
    pattern = re.compile(json.loads(next(lines)))
    for line in lines:
        found = pattern.search(json.loads(line))
        print(json.dumps((found[1] or "") if found else ""), flush=True)


if __name__ == "__main__":
    main()
