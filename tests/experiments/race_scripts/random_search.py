"""A small system of our own for the tests: it asks for rewrites of the starting prompt and scores each on the dev rows.

As the scripts of other systems it knows the job's contract alone, and imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

JOB: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
FOUND = Path(JOB["folder"]) / "found.jsonl"


class UsedUp(Exception):
    pass


def post(path: str, body: dict[str, Any]) -> Any:
    request = Request(  # noqa: S310
        JOB["base_url"] + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {JOB['api_key']}"},
    )
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())
    except HTTPError as error:
        content = json.loads(error.read())
        if error.code == 402 and content["error"]["code"] == "budget_used_up":
            raise UsedUp from None
        raise


def chat(role: str, messages: list[dict[str, str]], temperature: float) -> str:
    body = {"model": JOB[f"{role}_model"], "messages": messages, "temperature": temperature, "n": 1}
    return str(post("/chat/completions", body)["choices"][0]["message"]["content"])


def layout(prompt: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "Answer well."}, {"role": "user", "content": f"{{input}}\n{prompt}"}]


def score_of(prompt: str, row: dict[str, str]) -> float:
    messages = [
        {**message, "content": message["content"].replace("{input}", row["input"])} for message in layout(prompt)
    ]
    reply = chat("task", messages, 0.0)
    return float(post("/score", {"reply": reply, **row})["score"])


def note(prompt: str) -> None:
    with ThreadPoolExecutor(JOB["concurrency"]) as pool:
        scores = list(pool.map(lambda row: score_of(prompt, row), JOB["dev"]))
    line = {
        "prompt": prompt,
        "dev_score": sum(scores) / len(scores),
        "messages": layout(prompt),
        "answer_pattern": r"(?s)\A(.*)\Z",
    }
    with FOUND.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def main() -> None:
    note(JOB["start"])
    while True:
        wish = f"Rewrite this instruction so that it works better.\n\n{JOB['start']}"
        note(chat("optimizer", [{"role": "user", "content": wish}], JOB["optimizer_temperature"]))


if __name__ == "__main__":
    try:
        main()
    except UsedUp:
        sys.exit(0)
