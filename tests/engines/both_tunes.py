"""A script for Ray Tune and for `rungway.compat.tune`: `python -m tests.engines.both_tunes MODULE STORAGE` trains the
function of examples/engines/tune_function.py with MODULE, and prints what came out, by configuration."""

import importlib
import json
import sys
from pathlib import Path

from tests.engines.traced import EXAMPLES

GRID = [0.1, 0.3, 0.5]


def main(module: str, storage: str) -> None:
    """Train a grid of three."""
    source = (
        (EXAMPLES / "tune_function.py").read_text().replace("rungway.compat.tune.schedulers", f"{module}.schedulers")
    )
    package, _, name = module.rpartition(".")
    source = source.replace("from rungway.compat import tune", f"from {package} import {name}")
    assert "rungway" not in source.partition('"""\n')[2] or package == "rungway.compat"
    parts: dict[str, object] = {"__name__": "example"}
    exec(source, parts)
    tune = importlib.import_module(module)
    tuner = tune.Tuner(
        tune.with_parameters(parts["train"], epochs=5),
        param_space={"learning_rate": tune.grid_search(GRID), "group": {"seed": 3}},
        tune_config=tune.TuneConfig(metric="loss", mode="min", max_concurrent_trials=2),
        run_config=tune.RunConfig(storage_path=storage),
    )
    results = tuner.fit()
    found = {}
    for result in results:
        with result.checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, "state.json").read_text())
        last = [result.metrics["loss"], result.metrics["training_iteration"], state]
        found[str(result.config["learning_rate"])] = last
    best = results.get_best_result()
    print("result: " + json.dumps({"found": found, "best": best.config, "errors": results.num_errors}, sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
