"""Reports two prompts, one of them without a score, and a pattern that takes for ever on most replies."""

import json
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
line = {
    "prompt": "Name the kind.",
    "messages": [{"role": "user", "content": "{input}\nName the kind."}],
    "answer_pattern": r"^(?:.?){400}()\x00",
}
lines = [{**line, "dev_score": 0.5}, {**line, "dev_score": None}]
text = "".join(json.dumps(one) + "\n" for one in lines)
(Path(job["folder"]) / "found.jsonl").write_text(text, encoding="utf-8")
