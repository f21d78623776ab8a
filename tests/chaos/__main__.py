"""`make chaos`: run scenarios, print a table, write JSON; exit code 1 where a promise was broken."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.report import table, write_json
from tests.chaos.run import Outcome, run_scenario
from tests.chaos.scenarios import SCENARIOS

MINUTES = 30.0


def main() -> int:
    """Run what the command line says."""
    options = _options()
    chosen = [SCENARIOS[name] for name in options.scenario or SCENARIOS]
    share = options.minutes * 60 / sum(scenario.share for scenario in chosen)
    outcomes = []
    for scenario in chosen:
        print(f"{scenario.name}: {scenario.what}, {share * scenario.share:.0f} s", flush=True)
        folder = Path(tempfile.mkdtemp(prefix=f"rw-chaos-{scenario.name}-"))
        run, _ = run_scenario(scenario, share * scenario.share, options.seed, folder)
        outcomes.append(run.outcome)
        _tell(outcomes[-1], folder)
        write_json(options.json, outcomes)
    print(table(outcomes))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="repeat for several; default: all")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all scenarios together")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same schedule of faults")
    parser.add_argument("--json", type=Path, default=Path("chaos.json"), help="where to write all figures")
    return parser.parse_args()


def _tell(outcome: Outcome, folder: Path) -> None:
    for problem in outcome.problems:
        print(f"  BROKEN {problem}")
    for failure in sorted(set(outcome.failed)):
        print(f"  {outcome.failed.count(failure)} times in a training loop: {failure}")
    if outcome.passed:
        shutil.rmtree(folder)
    else:
        print(f"  logs and histories: {folder}")


if __name__ == "__main__":
    sys.exit(main())
