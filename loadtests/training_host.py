"""A training process that only reports: what `sdk` measures. `python -m loadtests.training_host TARGET PHASE REPORTS`.

One worker with the plain client, in the loop of the README. Prints the CPU time of the whole process per report (µs,
all threads). PHASE "decisions": each report is at a decision; "between": none is, and what the background sends
counts, too.
"""

import json
import random
import sys
import time

from rungway import Client

_CHECKPOINT = "s3://bucket/runs/checkpoint"


def further_metrics() -> dict[str, object]:
    """Four further metrics of a report."""
    return {name: random.random() for name in ("accuracy", "loss", "gradient_norm", "learning_rate")}


def decisions(client: Client, reports: int) -> float:
    """Trials of one report each; only the reports are measured, not the asks between them."""
    used = 0.0
    for done, trial in enumerate(client.trials(), 1):
        with trial:
            before = time.process_time()
            trial.report(trial.next_decision, random.random(), checkpoint=_CHECKPOINT, metrics=further_metrics())
            used += time.process_time() - before
        if done == reports:
            break
    return used


def between(client: Client, reports: int) -> float:
    """One trial that reports as fast as it can; until all that it held back is told."""
    for trial in client.trials():
        with trial:
            before = time.process_time()
            for length in range(1, reports + 1):
                trial.report(length, random.random(), metrics=further_metrics())
            trial.release()
            return time.process_time() - before
    raise RuntimeError("there was no trial")


def _main() -> None:
    target, phase, reports = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with Client(target, experiment=f"sdk-{phase}") as client:
        used = {"decisions": decisions, "between": between}[phase](client, reports)
    print(json.dumps({"us": 1e6 * used / reports}))


if __name__ == "__main__":
    _main()
