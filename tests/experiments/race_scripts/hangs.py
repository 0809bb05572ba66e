"""Finds a prompt, starts a process of its own, and then does nothing for ever, whatever it is told."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

signal.signal(signal.SIGTERM, signal.SIG_IGN)
job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
folder = Path(job["folder"])
line = {
    "prompt": "Name the kind.",
    "dev_score": 0.5,
    "messages": [{"role": "user", "content": "{input}\nName the kind."}],
}
with (folder / "found.jsonl").open("w", encoding="utf-8") as file:
    file.write(json.dumps({**line, "answer_pattern": None}) + "\n")
    file.write('{"prompt": "cut off in the mid')
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / "child.txt").write_text(str(child.pid), encoding="utf-8")
time.sleep(600)
