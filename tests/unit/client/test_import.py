"""`import rungway` stays light: training hosts pay for it in every process."""

import subprocess
import sys

from tests.support.waiting import SECONDS

MOST_OWN, MOST = 70, 300
"""Modules of ours, and all that are not there at the start of Python: today 62 and 275."""
_COUNT = """
import sys
before = set(sys.modules)
import rungway
for name in sorted(set(sys.modules) - before):
    print(name)
"""
NEVER = (
    "rungway.integrations",
    "rungway.distributed",
    "rungway.ray",
    "rungway.dask",
    "rungway.compat",
    "torch",
    "numpy",
    "fsspec",
    "httpx",
    "yaml",
    "cloudpickle",
)


def test_modules_that_come_with_the_client() -> None:
    done = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, timeout=SECONDS, check=True)
    names = done.stdout.split()
    assert len([name for name in names if name.startswith("rungway")]) <= MOST_OWN
    assert len(names) <= MOST
    assert [name for name in names if name in NEVER] == []


def test_the_shared_rules_need_nothing_that_is_not_there() -> None:
    code = "import sys, rungway.integrations; print(sorted({'torch', 'numpy', 'fsspec'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout.strip() == "[]"
