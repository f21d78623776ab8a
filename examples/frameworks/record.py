"""Notes each step and its learning rate in the file $TRACE, if that is set: tests compare such files."""

import json
import os
import time


def record(trial: int, step: int, rate: float) -> None:
    if path := os.environ.get("TRACE"):
        with open(path, "a") as trace:
            trace.write(json.dumps([trial, step, rate, os.getpid(), time.time()]) + "\n")
        time.sleep(float(os.environ.get("TRACE_PAUSE", "0")))  # tests want to hit the middle of a small training
