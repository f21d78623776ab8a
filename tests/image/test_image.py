"""What is in the image: its size, its labels, its bill of materials, and nothing that a service does not need."""

import json
from typing import Any

import pytest

from rungway.__about__ import __version__
from scripts.image.engine import Engine
from tests.image.containers import Containers

_MOST_BYTES = 300_000_000


@pytest.fixture(scope="module")
def facts(engine: Engine, image: str) -> Any:
    return json.loads(engine.says("image", "inspect", image))[0]


def shell(containers: Containers, line: str) -> str:
    code, said = containers.once("--entrypoint", "sh", words=("-c", line))
    assert code == 0, said
    return said.strip()


def test_its_size(facts: Any) -> None:
    assert facts["Size"] <= _MOST_BYTES


def test_its_labels(facts: Any) -> None:
    labels = facts["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"]
    assert labels["org.opencontainers.image.base.name"]


def test_it_makes_no_volume_by_itself(facts: Any) -> None:
    assert not facts["Config"].get("Volumes")


def test_its_bill_of_materials(facts: Any, containers: Containers) -> None:
    bill = json.loads(shell(containers, f"cat {facts['Config']['Labels']['rungway.sbom']}"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = {each["purl"].partition("@")[0]: each["version"] for each in bill["components"]}
    assert found["pkg:pypi/rungway"] == __version__
    assert {"pkg:pypi/grpcio", "pkg:pypi/dumb-init", "pkg:deb/debian/libc6", "pkg:generic/python"} < set(found)
    assert found["pkg:generic/valkey"].startswith("9.")
    assert "pkg:pypi/pip" not in found


def test_nothing_that_a_service_does_not_need(containers: Containers) -> None:
    assert shell(containers, "cd /opt/rungway && find . -name tests -o -name pip -o -name scipy -o -name '*.pyx'") == ""
    assert shell(containers, "command -v pip pip3 || true") == ""
    assert shell(containers, "ls /run/secrets 2>/dev/null; env | grep -i '^pip' || true") == ""


def test_its_user_has_no_rights(containers: Containers) -> None:
    said = shell(containers, "id -u; id -g; grep -E 'CapEff|NoNewPrivs' /proc/1/status; test -d $HOME && test -r $HOME")
    assert said.split() == ["10001", "10001", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]


def test_bytecode_is_there_for_all_that_a_start_imports(containers: Containers) -> None:
    """Else each process compiles it anew: it may not write it."""
    line = "import sys, rungway_server.workers; print([m for m in sys.modules.values() if not compiled(m)])"
    known = (
        "import os\n"
        "def compiled(m):\n"
        "    cached = getattr(getattr(m, '__spec__', None), 'cached', None)\n"
        "    return not cached or os.path.exists(cached)\n"
    )
    assert shell(containers, f'python -c "{known}{line}"') == "[]"
