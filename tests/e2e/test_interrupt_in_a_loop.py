"""Ctrl-C where the Python API is called inside a running event loop, as in a notebook."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from whole_runs import count_replies, record

SCRIPT = """
import asyncio, sys, promptdescent
rows = [{"text": f"Is {number} odd?", "label": "yes" if number % 2 else "no"} for number in range(300)]
async def main():
    promptdescent.optimize(rows, input=("text",), target="label", prompt="Yes or no?", store=sys.argv[1],
                           task_model="simulated:slow", steps=9)
asyncio.run(main())
"""


def test_it_stops_at_once_and_the_run_is_recorded_as_interrupted(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        deadline = time.monotonic() + 60
        while count_replies(tmp_path) < 30 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) != 0
    finally:
        process.kill()
        process.wait()
    assert record(tmp_path)["status"] == "interrupted"
    assert record(tmp_path)["reason"] == "stopped by the user"
