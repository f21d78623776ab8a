"""`rungway slurm`: prints a job script for Slurm whose jobs are workers of a search. Needs nothing but the client.

A worker is one job of an array. Slurm sends SIGUSR1 to the batch script alone (`B:`), two minutes before the time
limit: sent to all processes, it would end the training commands before the agent could give their trials back.
"""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence

from rungway._agent.options import split
from rungway._core.config import named_target
from rungway._core.errors import InvalidArgument

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TIME = re.compile(r"(?:(\d{1,3})-)?(\d{1,3}):([0-5]\d):([0-5]\d)", re.ASCII)
_SHORTEST_SECONDS = 600
"""A job that leaves two to three minutes before its end, to the accuracy of Slurm, needs some time before that."""
_SCRIPT = """\
#!/bin/sh
#SBATCH --job-name=rungway-{experiment}
#SBATCH --array=1-{workers}
{limits}#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=rungway-{experiment}-%A_%a.log

trap 'told=yes; kill -USR1 "$agent"' USR1
trap 'told=yes; kill -TERM "$agent"' TERM
told=
rungway agent {experiment} --target {target} {gpus}--grace 60 -- {command} &
agent=$!
wait "$agent"; code=$?
while [ "$told" ]; do # a signal has ended the wait
    told=
    wait "$agent"; again=$?
    if [ "$again" -ne 127 ]; then code=$again; fi # 127: it had ended before
done
if [ "$code" -eq {left} ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
"""
_LEFT = 128 + 10
"""The exit code of an agent that SIGUSR1 has ended (10 on the systems where Slurm runs)."""


def script(
    experiment: str, command: Sequence[str], *, target: str, workers: int = 1, time: str | None = None, gpus: int = 0
) -> str:
    """The job script; without a command it runs the arguments of `sbatch`. Raises InvalidArgument."""
    if not _NAME.fullmatch(experiment):
        rule = 'wanted 1 to 63 of a-z, 0-9 and "-", with a letter or digit at both ends'
        raise InvalidArgument.one("experiment", f"got {experiment!r}, {rule}")
    for field, number, least in (("n", workers, 1), ("gpus", gpus, 0)):
        if not least <= number <= 1000:
            raise InvalidArgument.one(field, f"got {number}, wanted {least} to 1000")
    if not target:
        raise InvalidArgument.one(
            "target", "got none, wanted --target or RUNGWAY_TARGET: a service that all nodes reach"
        )
    if "\n" in target or any("\0" in each for each in command):
        raise InvalidArgument.one("target" if "\n" in target else "command", "wanted no line end or null character")
    limits = ""
    if time is not None:
        limits += f"#SBATCH --time={_checked_time(time)}\n"
    if gpus:
        limits += f"#SBATCH --gres=gpu:{gpus}\n"
    return _SCRIPT.format(
        experiment=experiment,
        workers=workers,
        limits=limits,
        target=shlex.quote(target),
        gpus="--gpus all " if gpus else "",
        command=shlex.join(command) if command else '"$@"',
        left=_LEFT,
    )


def main(arguments: Sequence[str]) -> int:
    """Print the script that these arguments ask for; returns the exit code."""
    given, command = split(arguments)
    parser = _parser()
    found = parser.parse_args(given)
    if command == []:
        parser.error("no training command after --")
    target = named_target(found.target)
    try:
        text = script(found.experiment, command or [], target=target, workers=found.n, time=found.time, gpus=found.gpus)
    except InvalidArgument as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text, end="")
    return 0


def _checked_time(text: str) -> str:
    found = _TIME.fullmatch(text)
    if not found:  # a number alone would be minutes for Slurm, and two of them minutes and seconds
        raise InvalidArgument.one("time", f"got {text!r}, wanted hours, minutes and seconds: 4:00:00, or 1-12:00:00")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if ((days * 24 + hours) * 60 + minutes) * 60 + seconds < _SHORTEST_SECONDS:
        raise InvalidArgument.one("time", f"got {text!r}, wanted at least 0:10:00")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rungway slurm",
        usage="rungway slurm EXPERIMENT [-n N] [options] [-- COMMAND [ARGUMENTS]] > job.sh",
        description="Print a job script for Slurm: an array of N workers that run `rungway agent`, leave two minutes "
        "before their time limit with all trials given back, and are queued again until the search is over. "
        "Without a COMMAND it runs what stands behind it: sbatch job.sh python train.py --lr={lr}. Other options "
        "of sbatch (--partition, --account, --mem) are given there.",
    )
    parser.add_argument("experiment", metavar="EXPERIMENT", help="The experiment's id.")
    parser.add_argument("-n", type=int, default=1, metavar="N", help="Jobs: workers, not trials (default: 1).")
    parser.add_argument("--time", metavar="[D-]HH:MM:SS", help="Time limit of a job (default: that of the partition).")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs of a job: one trial at once for each.")
    parser.add_argument("--target", help="Where the service is, for the nodes (default: RUNGWAY_TARGET).")
    return parser
