"""The chart, by Helm: what it renders, what it refuses, and that deploy/kustomize is made from it.

`make deploy-test` installs the tools.
"""

import json
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rungway.__about__ import __version__
from scripts.deploy.render import CHART, COMPONENTS, KUSTOMIZE, files, rendered, values
from scripts.deploy.tools import ROOT, helm, kubectl, tool
from tests.deploy.checks import Document, pod_of, problems, title
from tests.support.waiting import SECONDS

VALUES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
VERSIONS = ("1.31.0", "1.34.0", "1.37.0")


def documents(*flags: str) -> list[Document]:
    return [yaml.safe_load(each) for each in rendered(*flags)]


def test_the_files_of_kustomize_are_up_to_date() -> None:
    """Else: `python -m scripts.deploy.render`."""
    made = files()
    assert {path for path in KUSTOMIZE.rglob("*") if path.is_file()} == made.keys()
    assert [path for path, text in made.items() if path.read_text(encoding="utf-8") != text] == []


@pytest.mark.parametrize("name", ["", *VALUES])
def test_what_is_rendered(name: str) -> None:
    flags = [values(name)] if name else []
    said = helm("lint", "--strict", str(CHART), *flags)
    assert "[WARNING]" not in said
    assert problems(documents(*flags)) == []


def test_every_template_and_every_value_is_used_in_some_values() -> None:
    text = helm("template", "rungway", str(CHART), values("everything"), values("workers"))
    templates = {path.name for path in (CHART / "templates").glob("*.yaml")}
    assert {name for name in templates if f"templates/{name}" in text} == templates


def by_title(found: Iterator[Document] | list[Document]) -> dict[str, Document]:
    return {title(each): each for each in found}


@pytest.mark.parametrize("components", [(), *((name,) for name in COMPONENTS), COMPONENTS], ids="+".join)
def test_kustomize_makes_what_helm_makes(components: tuple[str, ...], tmp_path: Path) -> None:
    """An overlay of the base with components is the chart with the same choices."""
    # kustomize takes relative paths alone.
    here = Path(*[".."] * (len(tmp_path.parts) - 1), *KUSTOMIZE.parts[1:])
    overlay = {
        "resources": [str(here / "base")],
        "components": [str(here / "components" / name) for name in components],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    made = yaml.safe_load_all(kubectl("kustomize", str(tmp_path)))
    assert by_title(made) == by_title(documents(*map(values, components)))


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_of_kubernetes(version: str, tmp_path: Path) -> None:
    """Misspelt fields and wrong types. Monitors are of the Prometheus operator, whose schemas are not there."""
    found = [each for name in VALUES for each in documents(values(name)) if each["kind"] != "PodMonitor"]
    assert {"Deployment", "StatefulSet", "Job", "Ingress"} <= {each["kind"] for each in found}
    assert validate(found, version, tmp_path).returncode == 0
    for each in found:
        if (pod := pod_of(each)) and "livenessProbe" in pod["containers"][0]:
            pod["containers"][0]["livenessProbe"]["periodSecond"] = 3
    refused = validate(found, version, tmp_path)
    assert refused.returncode != 0
    assert "periodSecond" in refused.stdout + refused.stderr


def validate(found: list[Document], version: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "all.yaml"
    path.write_text(yaml.safe_dump_all(found))
    command = [str(tool("kubernetes-validate")), "--strict", "-k", version, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("replcas=3", "replcas"),
        ("replicas=0", "replicas"),
        ("image.tag=latest", "tag"),
        ("redis.own.image=valkey/valkey:latest", "image"),
        ("redis.url=redis://x", "url"),
        ("settings.log_level=debug", "log_level"),
        ("settings.LISTEN=0.0.0.0:1", "LISTEN"),
        ("terminationGracePeriodSeconds=10", "terminationGracePeriodSeconds"),
        ("autoscaling.cpuPercent=700", "cpuPercent"),
        ("workers.digits.image=train:1", "workers"),
    ],
)
def test_values_that_are_surely_not_meant_are_refused(wrong: str, named: str) -> None:
    with pytest.raises(RuntimeError, match=named):
        helm("template", "rungway", str(CHART), "--set", wrong)


PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def test_the_command_of_the_page() -> None:
    (command,) = re.findall(r"helm -n tuning install rungway deploy/chart ((?:.*\\\n)*.*)\n", PAGE)
    found = documents(*command.replace("\\\n", " ").split())
    assert problems(found) == []
    images = {container["image"] for each in found if (pod := pod_of(each)) for container in pod["containers"]}
    assert f"registry.example.org/rungway:{__version__}" in images
    assert len(images) == 2


def test_the_overlay_of_the_page(tmp_path: Path) -> None:
    (text,) = re.findall(r"    # kustomization.yaml\n((?:    .*\n)+)", PAGE)
    here = Path(*[".."] * (len(tmp_path.parts) - 1), *ROOT.parts[1:])
    (tmp_path / "kustomization.yaml").write_text(textwrap.dedent(text).replace("../rungway/", f"{here}/"))
    found = list(yaml.safe_load_all(kubectl("kustomize", str(tmp_path))))
    assert problems(found) == []
    assert {each["metadata"]["namespace"] for each in found} == {"tuning"}
    (deployment,) = (each for each in found if each["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].startswith("registry.example.org/rungway:")


def test_a_package_is_the_chart_without_its_tests(tmp_path: Path) -> None:
    helm("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.iterdir()
    listed = subprocess.run(["tar", "tzf", package], capture_output=True, text=True, check=True).stdout
    assert "rungway/values.schema.json" in listed
    assert "/ci/" not in listed
