"""Hangs for ever before it has scored anything; if there is a budget to use up, it does so first."""

import json
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
line = {"prompt": job["start"], "dev_score": None, "messages": None, "answer_pattern": None}
(Path(job["folder"]) / "found.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
if job["about"] == "use it up":
    try:
        while True:
            body = {"model": job["optimizer_model"], "messages": [{"role": "user", "content": "x" * 400}]}
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {job['api_key']}"}
            request = Request(job["base_url"] + "/chat/completions", data=json.dumps(body).encode(), headers=headers)  # noqa: S310
            urlopen(request, timeout=30).close()  # noqa: S310
    except HTTPError as error:
        error.close()
time.sleep(600)
