"""`python -m tests.fuzz --minutes 5`: the tests of this folder again and again, each time with other examples."""

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Fuzz until the time is over or something is found; the exit code is pytest's."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long, about (%(default)s)")
    parser.add_argument("--examples", type=int, default=100, help="examples of each property in a round (%(default)s)")
    parser.add_argument("--seed", type=int, help="of the first round; each one prints its own")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    seed, rounds = options.seed if options.seed is not None else random.randrange(10**6), 0
    while time.monotonic() < end:
        print(f"round {rounds + 1}: --seed {seed} --examples {options.examples}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", "--timeout=1800", f"--hypothesis-seed={seed}"]
        environment = os.environ | {"RUNGWAY_FUZZ_EXAMPLES": str(options.examples)}
        if code := subprocess.run([*command, str(Path(__file__).parent)], env=environment, check=False).returncode:
            return code
        seed, rounds = seed + 1, rounds + 1
    print(f"{rounds} rounds, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
