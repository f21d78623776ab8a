"""Makes the static site docs/_site: every page of the project, and a reference of the SDK and of the wire.

The SDK's part comes from its docstrings, the wire's from the comments of the protos. A link to a page, a heading or a
file that is not there ends it with an error. `make docs` runs it.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import proto_pages

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "_site"

FIRST = (
    "quickstart",
    "concepts",
    "sdk",
    "http",
    "page",
    "choosing",
    "searchers",
    "simulation",
    "quality",
    "notifications",
    "deploy",
    "clusters",
    "katib",
    "operations",
    "metrics",
    "security",
    "redis",
    "errors",
    "limits",
)
"""Pages of docs/ in the order in which a newcomer needs them; all others follow by name."""

_CONFIGURATION = """
project = "Rungway"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "Rungway"
html_copy_source = False
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
"""

_INDEX = """# Rungway

{readme}

```{{toctree}}
:maxdepth: 1
:caption: Pages
:hidden:

{pages}
```

```{{toctree}}
:maxdepth: 1
:caption: Reference
:hidden:

api/sdk
api/wire
```
"""

_SDK = """# The Python SDK

```{{eval-rst}}
{names}
```
"""


def main() -> int:
    """The exit code of Sphinx."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        pages = copy_pages(source)
        (source / "conf.py").write_text(_CONFIGURATION, encoding="utf-8")
        (source / "index.md").write_text(_INDEX.format(readme=_readme(), pages="\n".join(pages)), encoding="utf-8")
        (source / "api").mkdir()
        (source / "api" / "sdk.md").write_text(_SDK.format(names=sdk()), encoding="utf-8")
        (source / "api" / "wire.md").write_text(proto_pages.page(ROOT), encoding="utf-8")
        shutil.rmtree(SITE, ignore_errors=True)
        command: list[str | Path] = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
        command += [source, SITE]
        return subprocess.run(command, check=False).returncode


def copy_pages(source: Path) -> list[str]:
    """Copy what is tracked, for links between pages and to files; the pages, without their suffix."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    readme = source / "README.md"  # its text is the first page too
    readme.write_text(f"---\norphan: true\n---\n{readme.read_text(encoding='utf-8')}", encoding="utf-8")
    pages = (name.removesuffix(".md") for name in names if name.endswith(".md") and name != "README.md")
    return sorted(pages, key=_place)


def _place(page: str) -> tuple[bool, bool, int, str]:
    """Where a page stands: those of docs/ first, those in folders last."""
    name = page.removeprefix("docs/")
    return "/" in name, page == name, FIRST.index(name) if name in FIRST else len(FIRST), page


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8").partition("\n")[2]


def sdk() -> str:
    """Directives for what the package names as public."""
    import rungway

    lines = []
    for name in sorted(rungway.__all__, key=lambda name: _order(getattr(rungway, name), name)):
        kind = "class" if isinstance(getattr(rungway, name), type) else "data"
        if kind == "class" and issubclass(getattr(rungway, name), BaseException):
            kind = "exception"
        elif callable(getattr(rungway, name)) and kind == "data":
            kind = "function"
        inherited = "   :inherited-members:\n" if name in ("Client", "AsyncClient") else ""
        lines.append(f".. auto{kind}:: rungway.{name}\n{inherited}")
    return "\n".join(lines)


def _order(item: object, name: str) -> tuple[bool, bool, str]:
    """The clients first, errors last."""
    is_error = isinstance(item, type) and issubclass(item, BaseException)
    return is_error, name not in ("Client", "AsyncClient"), name


if __name__ == "__main__":
    sys.exit(main())
