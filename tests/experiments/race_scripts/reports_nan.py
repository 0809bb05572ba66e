"""Reports a score that is no number."""

import json
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
line = {"prompt": "a", "dev_score": float("nan"), "messages": [{"role": "user", "content": "{input}"}]}
(Path(job["folder"]) / "found.jsonl").write_text(json.dumps({**line, "answer_pattern": None}) + "\n", encoding="utf-8")
