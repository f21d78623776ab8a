"""An extra for each adapter, with nothing but what the adapter imports."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "client" / "rungway" / "integrations"
ADAPTERS = sorted(
    path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_") and path.stem != "checkpoints"
)
OF_ITSELF = {"transformers": {"torch", "accelerate"}, "lightning": {"lightning"}}
"""What the adapter does not import: the library needs it, or the user has imported it."""


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_extra_has_what_its_adapter_imports(adapter: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {each.partition(">")[0] for each in extras[adapter]}
    assert wanted - OF_ITSELF.get(adapter, set()) <= imported(FOLDER / f"{adapter}.py")
    assert adapter in wanted


@pytest.mark.parametrize(("module", "extra"), [("ray", ["ray"]), ("dask", ["distributed"])])
def test_an_engine_has_an_extra(module: str, extra: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras[module] == extra
    assert set(extra) <= imported(FOLDER.parent / f"{module}.py")


def test_the_shared_part_imports_no_library_but_fsspec_where_it_is_needed() -> None:
    for path in FOLDER.glob("*.py"):
        if path.stem not in ADAPTERS:
            assert not imported(path) & {*ADAPTERS, "numpy", "pytorch_lightning"}, path
