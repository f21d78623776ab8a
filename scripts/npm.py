"""Programs that npm has, fetched into the virtual environment: for what only developers of the page need."""

import shutil
import subprocess
import sys
from pathlib import Path


def fetched(package: str, program: str) -> Path | None:
    """The program of a package such as "esbuild@0.28.2", fetched if it is not here yet.

    None where there is no npm, or npm can fetch nothing.
    """
    folder = Path(sys.prefix) / "js" / package
    found = folder / "node_modules" / ".bin" / program
    if found.exists():
        return found
    if not (npm := shutil.which("npm")):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error")
    subprocess.run([npm, "install", "--prefix", folder, *options, package], check=False)
    return found if found.exists() else None
