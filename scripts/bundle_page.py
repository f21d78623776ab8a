"""Packs the scripts and styles of the page into two files, `web/bundle/app.js` and `app.css`, which the service serves.

    python -m scripts.bundle_page           # `make page`: after each change below web/js, web/vendor or of a style
    python -m scripts.bundle_page --check   # `make lint`: they are what the sources give, byte by byte

The two are committed, like all that is generated, so that neither a wheel nor a checkout needs node. Their first line
has a digest of the sources: where there is no npm that can fetch esbuild, that alone is compared.
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts.npm import fetched

ESBUILD = "esbuild@0.28.2"
WEB = Path(__file__).resolve().parents[1] / "server" / "rungway_server" / "web"
BUNDLE = WEB / "bundle"
ENTRIES = {"app.js": "js/app.js", "app.css": "page.css"}
"""What is packed, and where it begins."""
OPTIONS = ("--bundle", "--minify", "--format=esm", "--target=es2023", "--charset=utf8", "--legal-comments=none")


def sources() -> Iterator[Path]:
    """Every script and style that is packed, in a fixed order."""
    yield from sorted(path for kind in ("js/*.js", "vendor/*.js", "*.css") for path in WEB.glob(kind))


def banner() -> str:
    """The first line of both files: what they were made of."""
    whole = hashlib.sha256(" ".join([ESBUILD, *OPTIONS]).encode())
    for path in sources():
        data = path.read_bytes()
        whole.update(f"\0{path.relative_to(WEB).as_posix()}\0{len(data)}\0".encode() + data)
    return f"/* Made by `make page` of the readable files in rungway_server/web: sha256 {whole.hexdigest()} */\n"


def stale() -> list[str]:
    """The files that were not made of these sources."""
    first = banner()
    paths = {name: BUNDLE / name for name in ENTRIES}
    return [
        name
        for name, path in paths.items()
        if not path.exists() or not path.read_text(encoding="utf-8").startswith(first)
    ]


def packed(esbuild: Path, folder: Path) -> dict[str, str]:
    """Both files by name. Raises CalledProcessError, after the reason was printed, if a source is wrong."""
    first, made = banner(), {}
    for name, entry in ENTRIES.items():
        out = folder / name
        subprocess.run([esbuild, WEB / entry, *OPTIONS, "--log-level=warning", f"--outfile={out}"], check=True)
        made[name] = first + out.read_text(encoding="utf-8")
    return made


def main(arguments: list[str]) -> int:
    """Make the files, or check them; returns the exit code."""
    check, esbuild = "--check" in arguments, fetched(ESBUILD, "esbuild")
    if esbuild:
        with tempfile.TemporaryDirectory() as folder:
            made = packed(esbuild, Path(folder))
        if not check:
            BUNDLE.mkdir(exist_ok=True)
            for name, text in made.items():
                (BUNDLE / name).write_text(text, encoding="utf-8")
            return 0
        old = [name for name, text in made.items() if name in stale() or (BUNDLE / name).read_text("utf-8") != text]
    elif check:
        print("web/bundle was compared by its digest alone: no npm that can fetch esbuild")
        old = stale()
    else:
        print("web/bundle was not made: no npm that can fetch esbuild", file=sys.stderr)
        return 1
    for name in old:
        print(f"web/bundle/{name} is not what the sources give: run `make page`", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
