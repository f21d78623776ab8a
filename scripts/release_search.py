"""A whole search with what is installed: `rungway serve` on its embedded store, and a worker. Run by release.py."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rungway import Client
from rungway.__about__ import __version__

CONFIG = {
    "hyperparameters": {"lr": {"type": "log_uniform", "minval": 1e-4, "maxval": 1.0}},
    "searcher": {
        "name": "adaptive_asha",
        "metric": "loss",
        "max_trials": 20,
        "max_length": {"epochs": 9},
        "divisor": 3,
    },
}

command = [str(Path(sys.executable).parent / "rungway"), "serve", "--listen", "127.0.0.1:0", "--log-format", "json"]
with tempfile.TemporaryDirectory(prefix="rw-") as folder:
    service = subprocess.Popen([*command, "--data", str(Path(folder, "data"))], stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout
        ready = next(line for line in map(json.loads, service.stdout) if line["event"] == "ready")
        with Client(ready["address"], experiment="release") as client:
            client.create_experiment("release", CONFIG)
            for trial in client.trials():
                with trial:
                    for length in trial.lengths():
                        if not trial.report(length, trial.hparams["lr"] / length):
                            break
            best = client.best(1)[0]
        service.terminate()
        assert service.wait(60) == 0
    finally:
        service.kill()
python = ".".join(map(str, sys.version_info[:3]))
print(f"rungway {__version__} on Python {python}: best of 20 trials {best.best_metric:.5f}")
