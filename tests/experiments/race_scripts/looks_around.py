"""Writes down what a contestant is given, and fails."""

import json
import os
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
seen = {"environment": dict(os.environ), "arguments": sys.argv, "job": job}
(Path(job["folder"]) / "seen.json").write_text(json.dumps(seen), encoding="utf-8")
sys.exit(1)
