"""Searches by groups of processes in which random ranks are killed at random steps: `make ranks`.

A line for each search: what was killed, how long the group took to end and the training to go on, and whether a trial
was lost or trained by two groups at once. Ends with 1 when one of these must not be.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.frameworks.test_distributed import ROUNDING
from tests.support.disturbed import Run, difference, undisturbed
from tests.support.ranks import handed_over_once, run_with_kills, torchrun
from tests.support.redis_server import redis_on_socket
from tests.support.service import services

LONGEST = 60.0
KILLS = 2


def main(arguments: list[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    draw, wrong = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as scratch, redis_on_socket() as url, services(url) as (service,):
        folder = Path(scratch)
        alike = {
            size: undisturbed(torchrun("pytorch_ddp.py", size), service.address, folder / f"of-{size}")
            for size in (2, 4)
        }
        print(
            f"{'run':>3} {'ranks':>5}  {'killed (rank at step)':22} {'hung':>6}  same results  lost  twice", flush=True
        )
        for number in range(given.runs):
            size = draw.choice((2, 4))
            steps = len(alike[size].rates)
            kills = sorted((step, draw.randrange(size)) for step in draw.sample(range(1, steps), KILLS))
            run = Run(torchrun("pytorch_ddp.py", size), service.address, folder / str(number))
            slowest = run_with_kills(run, kills, longest=LONGEST)
            second = run.ended()
            same = second.lengths == alike[size].lengths and second.rates == alike[size].rates
            same = same and difference(alike[size], second) <= ROUNDING
            lost, once = len(second.curves) < len(alike[size].curves), handed_over_once(run)
            wrong += lost or not once or not same
            words = ", ".join(f"{rank} at {step}" for step, rank in kills)
            print(f"{number:3} {size:5}  {words:22} {slowest:4.1f} s  {same!s:12}  {lost!s:5} {not once}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
