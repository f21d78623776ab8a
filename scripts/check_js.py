"""Checks the types of the page's scripts, which are written in their comments, with the compiler of TypeScript.

npm fetches the compiler into the virtual environment. Without npm, or where it can fetch nothing, the check is left
out, and a line says so.
"""

import subprocess
import sys
from pathlib import Path

from scripts.npm import fetched

COMPILER = "typescript@7.0.2"
SCRIPTS = Path(__file__).resolve().parents[1] / "server" / "rungway_server" / "web" / "js"
OPTIONS = (
    *("--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck", "--pretty", "false"),
    *("--target", "es2023", "--lib", "es2023,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler"),
)


def main() -> int:
    """Check all scripts; returns the exit code."""
    tsc = fetched(COMPILER, "tsc")
    if tsc is None:
        print("the types of the page's scripts were not checked: no npm that can fetch TypeScript")
        return 0
    return subprocess.run([tsc, *OPTIONS, *sorted(SCRIPTS.glob("*.js"))], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
