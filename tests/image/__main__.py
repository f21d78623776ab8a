"""Builds the image and checks containers of it: `make image-test`.

It needs docker or podman, and the base from a registry; where none is reached, root makes a stand-in for the base with
mmdebstrap and a Python 3.12 of this machine. Where that cannot be had it says why, and ends without an error.
"""

import sys
import time

import pytest

from scripts.image.build import BASE, ROOT, base_at_hand, build
from scripts.image.engine import Engine, NoEngine, find_engine

TAG = "rungway:test"


def engine_with_base() -> tuple[Engine, tuple[str, str]]:
    """An engine that runs containers, and the bases to build from. Raises NoEngine."""
    engine = find_engine()
    bases = base_at_hand(engine, BASE)
    tried = engine.run("run", "--rm", "--network", "none", bases[0], "true", check=False)
    if tried.returncode:
        raise NoEngine(f"{engine.name} runs no containers here: {tried.stderr.strip()}")
    return engine, bases


def main() -> int:
    """The exit code: 0 also where there is nothing to test with."""
    try:
        engine, bases = engine_with_base()
    except NoEngine as error:
        print(f"image-test skipped: {error}")
        return 0
    if code := build(engine, TAG, *bases):
        return code
    began = time.monotonic()
    code = int(pytest.main([str(ROOT / "tests" / "image"), "--image", TAG, "-q", "--durations=5", *sys.argv[1:]]))
    print(f"checked in {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
