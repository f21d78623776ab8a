"""The rules of the project: sizes, generated code, import directions, nothing that belongs to one machine."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import SECONDS

_ROOT = Path(__file__).resolve().parents[2]
_BIN = Path(sys.executable).parent
_GENERATED = _ROOT / "client" / "rungway" / "v1"
_KATIB = _ROOT / "server" / "rungway_server" / "katib" / "wire"
_SOURCES = ("client", "server", "scripts", "loadtests", "examples")

# "path" or "path::function", each with the reason in a comment.
_LONGER_THAN_ALLOWED: frozenset[str] = frozenset()


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)


def python_files() -> Iterator[Path]:
    for folder in _SOURCES:
        yield from (path for path in (_ROOT / folder).rglob("*.py") if not {_GENERATED, _KATIB} & {*path.parents})


def own_files() -> list[Path]:
    """Files of the project: tracked, or new and not ignored."""
    listed = run("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := _ROOT / name).is_file()]


def too_long(lengths: Iterator[tuple[str, int]], most: int) -> list[str]:
    return [
        f"{name}: {length} > {most}" for name, length in lengths if length > most and name not in _LONGER_THAN_ALLOWED
    ]


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def name_of(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


def test_modules_have_at_most_400_lines() -> None:
    assert too_long(((name_of(path), lines_of(path)) for path in python_files()), 400) == []


def test_functions_have_at_most_60_lines() -> None:
    assert too_long(functions(), 60) == []


def functions() -> Iterator[tuple[str, int]]:
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name_of(path)}::{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_scripts_have_at_most_120_lines_of_120_letters() -> None:
    scripts = list((_ROOT / "server" / "rungway_server" / "store" / "redis" / "lua").glob("*/*.lua"))
    assert scripts
    assert too_long(((name_of(path), lines_of(path)) for path in scripts), 120) == []
    widths = ((name_of(path), max(map(len, path.read_text(encoding="utf-8").splitlines()))) for path in scripts)
    assert too_long(widths, 120) == []


def test_markdown_is_wrapped_at_100_columns() -> None:
    """Code, tables and links may be longer: they cannot be broken."""
    pages = [path for path in own_files() if path.suffix == ".md"]
    assert len(pages) > 20
    wide = [
        f"{name_of(page)}:{number}"
        for page in pages
        for number, line in prose_lines(page.read_text(encoding="utf-8"))
        if len(_LINK.sub("", line)) > 100
    ]
    assert wide == []


_LINK = re.compile(r"\]\([^)]*\)|https?://\S+")


def prose_lines(page: str) -> Iterator[tuple[int, str]]:
    """Lines of a page, numbered from 1, without code blocks and tables."""
    in_code = False
    for number, line in enumerate(page.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith(("    ", "|")):
            yield number, line


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_named_exists(page: str) -> None:
    """A path in backquotes is one of the project or of the server's package; `*` and `N*` stand for any."""
    named = set(re.findall(r"`([\w.*-]*/[\w./*-]*)`", (_ROOT / page).read_text(encoding="utf-8")))
    bases = [_ROOT, _ROOT / "server" / "rungway_server"]
    missing = [
        path
        for path in named
        if not path.startswith(_MADE) and not any(any(base.glob(path.replace("N*", "*"))) for base in bases)
    ]
    assert len(named) > 5
    assert missing == []


def test_every_class_named_exists() -> None:
    page = (_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)(?:\.\w+)?`", page))
    code = "\n".join(path.read_text(encoding="utf-8") for path in python_files())
    assert named >= {"PipelinedConnection", "ExperimentCache"}
    assert [name for name in named if f"\nclass {name}" not in code] == []


_MADE = (".venv", "docs/_site")
"""Folders that `make` writes."""


def test_nothing_private_of_other_libraries_is_used() -> None:
    """Neither imported, nor an attribute: a private one that is not of `self` must be defined in our own code."""
    trees = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in python_files()}
    ours = {name for tree in trees.values() for name in private_definitions(tree)} | _PUBLIC_ALL_THE_SAME
    found = {name: sorted({*private_imports(tree), *(private_attributes(tree) - ours)}) for name, tree in trees.items()}
    assert {name: private for name, private in found.items() if private} == _PRIVATE_OF_OTHERS


_PUBLIC_ALL_THE_SAME = {"_asdict", "_fields", "_make", "_replace", "_exit"}
"""Of named tuples, and os._exit."""
_PRIVATE_OF_OTHERS = {
    # docs/adr/0007: grpc.aio has no public way to keep its loop alive; the version is bounded
    "server/rungway_server/transport/server.py": [
        *("_RequestCallError", "_handle_rpc", "_schedule_rpc_coro", "grpc._cython.cygrpc", "grpc.aio._server")
    ],
    # httpcore has an argument for it, and httpx no way to pass it on; without it only closing takes longer
    "client/rungway/_core/http_library.py": ["_pool"],
    "loadtests/peers/optuna_study.py": ["_get_bracket_id"],  # the version is pinned
    "loadtests/peers/optuna_decides.py": ["_trial_id"],  # to put another configuration in a trial that runs
    "loadtests/peers/vizier_decides.py": ["vizier._src.algorithms.designers.gp_ucb_pe.VizierGPUCBPEBandit"],
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first not in {"rungway", "rungway_server", "hydra_plugins", *_SOURCES} and any(map(is_private, rest)):
                yield name


def private_attributes(tree: ast.Module) -> set[str]:
    """Of anything but `self` and `cls`."""
    own = ("self", "cls")
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_private(node.attr))
    return {node.attr for node in attributes if not (isinstance(node.value, ast.Name) and node.value.id in own)}


def private_definitions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.attr if isinstance(node, ast.Attribute) else node.id


def test_exceptions_are_still_needed() -> None:
    known = {name_of(path) for path in own_files()} | {name for name, _ in functions()}
    assert known >= _LONGER_THAN_ALLOWED


@pytest.mark.slow
def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    generated = run("sh", "scripts/proto.sh", tmp_path)
    if not (_ROOT / ".venv-proto" / "bin" / "protoc-gen-mypy").exists():
        pytest.skip("the environment of the generator could not be built (it needs a package index)")
    assert generated.returncode == 0, generated.stderr
    assert contents(_GENERATED) == contents(tmp_path / "rungway" / "v1"), "run `make proto`"
    of_katib = contents(_KATIB)
    assert {**of_katib, **contents(tmp_path)} == of_katib, "run `make proto`"


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.suffix in (".py", ".pyi")}


@pytest.mark.parametrize("command", [["lint"], ["format", "--diff", "--exit-code"]])
def test_protos_follow_the_rules(command: list[str]) -> None:
    checked = run(_BIN / "buf", *command)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_imports_point_inward() -> None:
    checked = run(_BIN / "lint-imports", "--no-cache")
    assert checked.returncode == 0, checked.stdout


def test_nothing_of_a_machine_or_a_package_index() -> None:
    # Composed here, so that this file does not contain them.
    words = [
        "/wo" + "rk/",
        "/ro" + "ot/",
        "/ho" + "me/",
        "/opt/py" + "pi",
        "index" + "-url",
        "find" + "-links",
        "pypi.org/" + "simple",
    ]
    pattern = re.compile("|".join(map(re.escape, words)))
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path in own_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_constraints_are_names_and_versions_only() -> None:
    lines = (_ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wrong = [line for line in lines if line and not line.startswith("#") and not re.fullmatch(r"[\w.-]+==[\w.]+", line)]
    assert wrong == []
