"""Checks the types of the page's scripts, which are written in their comments, with the compiler of TypeScript.

npm fetches the compiler into the virtual environment. Without npm, or where it can fetch nothing, the check is left
out, and a line says so: nothing but this check needs node.
"""

import shutil
import subprocess
import sys
from pathlib import Path

COMPILER = "typescript@7.0.2"
SCRIPTS = Path(__file__).resolve().parents[1] / "server" / "rungway_server" / "web" / "js"
OPTIONS = (
    *("--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck", "--pretty", "false"),
    *("--target", "es2023", "--lib", "es2023,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler"),
)


def compiler(folder: Path) -> Path | None:
    """The compiler in this folder, fetched if it is not there; None if it cannot be."""
    found = folder / "node_modules" / ".bin" / "tsc"
    if found.exists():
        return found
    if not (npm := shutil.which("npm")):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error")
    subprocess.run([npm, "install", "--prefix", folder, *options, COMPILER], check=False)
    return found if found.exists() else None


def main() -> int:
    """Check all scripts; returns the exit code."""
    tsc = compiler(Path(sys.prefix) / "js" / COMPILER)
    if tsc is None:
        print("the types of the page's scripts were not checked: no npm that can fetch TypeScript")
        return 0
    return subprocess.run([tsc, *OPTIONS, *sorted(SCRIPTS.glob("*.js"))], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
