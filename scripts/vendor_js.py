"""Copies the JavaScript of others that the page needs from npm packages into the project, and notes where it came from.

    python -m scripts.vendor_js            # the versions of vendor.lock again: nothing may change
    python -m scripts.vendor_js --latest   # today's versions, and a new vendor.lock

`npm pack` fetches the packages from the registry that npm is configured with, so npm is needed here and nowhere else.
vendor.lock has the SHA-512 of each package as npm publishes it, and of each file as it is here; a test compares them.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "server" / "rungway_server" / "web"
LOCK = WEB / "vendor.lock"
_PAGE, _TESTS = WEB / "vendor", ROOT / "tests" / "web" / "vendor"


@dataclass(frozen=True)
class Package:
    """An npm package, and what is taken from it: paths in the package, and the names they get here."""

    name: str
    folder: Path
    files: tuple[tuple[str, str], ...]


PACKAGES = (
    Package(
        "preact",
        _PAGE,
        (("dist/preact.mjs", "preact.js"), ("hooks/dist/hooks.mjs", "hooks.js"), ("LICENSE", "preact.LICENSE")),
    ),
    Package("htm", _PAGE, (("dist/htm.mjs", "htm.js"), ("LICENSE", "htm.LICENSE"))),
    Package("@preact/signals-core", _PAGE, (("dist/signals-core.mjs", "signals.js"), ("LICENSE", "signals.LICENSE"))),
    Package("axe-core", _TESTS, (("axe.min.js", "axe.min.js"), ("LICENSE", "axe.LICENSE"))),
)

_BARE = {"preact": "./preact.js"}
"""What modules import by name, and the file that it is here."""
_IMPORT = re.compile(r"""(\bfrom|\bimport)\s*(["'])([^"'./][^"']*)\2""")
_MAP = re.compile(r"\s*//# sourceMappingURL=\S*\s*$")


def rewritten(text: str) -> str:
    """A script as the page imports it: by relative paths, and without its source map. Its types are not checked.

    Raises KeyError for an import that the page has no file for.
    """
    text = _IMPORT.sub(lambda found: f'{found[1]}"{_BARE[found[3]]}"', _MAP.sub("\n", text))
    return f"// @ts-nocheck\n{text}"


def digest(data: bytes) -> str:
    """The SHA-512 as npm writes it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


def vendor(package: Package, known: dict[str, Any] | None) -> dict[str, Any]:
    """Copy the files of a package, in the `known` version or the latest; returns its entry in the lock.

    Raises SystemExit if npm gives another package than the one that is known.
    """
    wanted = f"{package.name}@{known['version'] if known else 'latest'}"
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--json", "--ignore-scripts", wanted]
        packed = json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)
        (entry,) = packed.values() if isinstance(packed, dict) else packed
        archive = next(Path(folder).glob("*.tgz"))
        integrity = digest(archive.read_bytes())
        if known and integrity != known["integrity"]:
            raise SystemExit(f"{wanted}: npm gives {integrity}, vendor.lock has {known['integrity']}")
        with tarfile.open(archive) as content:
            files = {name: _copy(content, path, package.folder / name) for path, name in package.files}
    return {"version": entry["version"], "license": _license(package), "integrity": integrity, "files": files}


def _copy(archive: tarfile.TarFile, path: str, to: Path) -> dict[str, str]:
    member = archive.extractfile(f"package/{path}")
    assert member
    data = member.read()
    if to.suffix == ".js":
        data = rewritten(data.decode()).encode() if to.parent == _PAGE else data
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(data)
    return {"from": path, "sha512": digest(data)}


def _license(package: Package) -> str:
    text = next((package.folder / name).read_text() for _, name in package.files if name.endswith(".LICENSE"))
    kinds = {"MIT License": "MIT", "Apache License": "Apache-2.0", "Mozilla Public License": "MPL-2.0"}
    return next(short for words, short in kinds.items() if words.lower() in text.lower())


def main(arguments: list[str]) -> int:
    """Copy all packages and write the lock; returns the exit code."""
    known = {} if "--latest" in arguments else json.loads(LOCK.read_text())
    lock = {package.name: vendor(package, known.get(package.name)) for package in PACKAGES}
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")
    for name, entry in lock.items():
        print(name, entry["version"], entry["license"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
