"""`rungway agent`: runs a training command for trials of an existing search. Needs nothing but the client.

It has a parser of its own, so that hosts that train need not install the packages of the other commands.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from rungway._agent.options import GRACE, LOGS, options, split
from rungway._agent.session import Ending, log_to, run
from rungway._core.config import DEFAULT_TARGET, configured
from rungway._core.errors import InvalidArgument, OutcomeUnknown, RungwayError, Unauthenticated, Unavailable
from rungway._sync.client import Client

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
"""Exit codes, as of all commands."""


def main(arguments: Sequence[str]) -> int:
    """Run the command with these arguments; returns its exit code."""
    given, command = split(arguments)
    parser = _parser()
    found, unknown = parser.parse_known_args(given)
    if not command:
        parser.error("no training command: write it after --")
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        how = options(
            places=found.n,
            grace=found.grace,
            logs=found.logs,
            partial=found.partial,
            gpus=found.gpus,
            max_runs=found.max_runs,
            until=found.until,
            metric_regex=found.metric_regex,
        )
        config = configured(None, found.target or None, found.experiment)
    except InvalidArgument as error:
        return _refuse(USAGE, error)
    try:
        with Client(config=config) as client, log_to(_say):
            ending = run(client, command, how, lambda: None)
    except (Unavailable, OutcomeUnknown) as error:
        return _refuse(UNREACHABLE, error)
    except RungwayError as error:
        return _refuse(REFUSED, error)
    print_ending(ending, as_json=found.output == "json")
    return ending.exit_code


def print_ending(ending: Ending, *, as_json: bool) -> None:
    """Print what was found to standard output: JSON for programs, else a line."""
    if as_json:
        print(json.dumps(_finite(ending.document()), indent=2, ensure_ascii=False))
        return
    experiment, best = ending.experiment, ending.best
    if ending.is_interrupted:
        print(f"{experiment.experiment}: interrupted, all trials were given back; the same command goes on")
        return
    head = f"{experiment.experiment}: {experiment.state}, {experiment.trials.started} trials started"
    if best is None:
        print(f"{head}, no result")
        return
    print(f"{head}; best: trial {best.trial}, {best.best_metric:.6g} at length {best.best_length}")
    for name, value in sorted(best.hparams.items()):
        print(f"  {name} = {value!r}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rungway agent",
        usage="rungway agent EXPERIMENT [-n N] [options] -- COMMAND [ARGUMENTS]",
        description="Run a training command for trials of a search until it is over. The command knows nothing of "
        "Rungway: {NAME} in its arguments becomes a hyperparameter, {length} how far to train; it prints "
        "`rungway: epochs=3 error=0.12` with the searcher's unit and metric.",
        epilog="Exit codes: 0 done; 1 refused, or no result; 2 wrong usage; 3 the service cannot be reached; "
        "128 and the number of a signal (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2): all trials were given back.",
    )
    parser.add_argument("experiment", metavar="EXPERIMENT", help="The experiment's id.")
    parser.add_argument("-n", type=_count, metavar="N", help="Trials at once (default: 1).")
    parser.add_argument("--target", help=f"Where the service is (default: RUNGWAY_TARGET, else {DEFAULT_TARGET}).")
    parser.add_argument(
        "--gpus", metavar="LIST", help="One trial at once for each of these GPUs: 0,1,2, UUIDs, or all. Instead of -n."
    )
    parser.add_argument(
        "--grace", type=float, default=GRACE, help=f"Seconds between SIGTERM and SIGKILL (default: {GRACE:g})."
    )
    parser.add_argument("--max-runs", type=int, metavar="N", help="End after N trials.")
    parser.add_argument(
        "--until",
        metavar="WHEN",
        help="Be gone by then, with all trials given back: 23:30, 2026-12-01T08:00 or 2h30m from now.",
    )
    parser.add_argument(
        "--metric-regex",
        metavar="REGEX",
        help="Read results from other lines, too: r'epoch (?P<length>\\d+) loss (?P<metric>\\S+)'.",
    )
    parser.add_argument(
        "--logs", type=Path, default=Path(LOGS), help=f"Folder for the output of the trials (default: {LOGS})."
    )
    parser.add_argument("--partial", action="store_true", help="Hyperparameters may be missing among the placeholders.")
    parser.add_argument("--output", "-o", choices=["table", "json"], default="table", help="How the best is printed.")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"got {text}, wanted 1 to 1000")
    return number


def _finite(value: object) -> object:
    """Infinities as texts, as other commands print them."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _refuse(code: int, error: RungwayError) -> int:
    _say(f"error: {error}")
    if error.reason:
        _say(f"  reason: {error.reason}")
    if error.reason == "FAILING":
        _say("  correct the command, run `rungway resume EXPERIMENT`, then start the agent again")
    if isinstance(error, Unauthenticated):
        _say("  put a token that `rungway token create` printed into RUNGWAY_TOKEN")
    return code
