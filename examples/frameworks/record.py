"""Notes each step and its learning rate in the file $TRACE, if that is set: tests compare such files."""

import json
import os
import time


def record(trial: int, step: int, rate: float) -> None:
    path = os.environ.get("TRACE")
    if not path:
        return
    with open(path, "a+") as trace:
        trace.write(json.dumps([trial, step, rate, os.getpid(), time.time()]) + "\n")
        trace.seek(0)
        steps = len(trace.readlines())
    if steps >= int(os.environ.get("TRACE_HOLD", "1000000")):  # a test wants to send a signal just here
        while not os.path.exists(f"{path}.go"):
            time.sleep(0.01)
