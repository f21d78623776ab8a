"""The manifests of deploy/kustomize, as they are in the repository, and what is wrong when they are changed."""

import copy
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from rungway.__about__ import __version__
from scripts.deploy.render import CHART, COMPONENTS, KUSTOMIZE
from tests.deploy.checks import Document, environment, problems, title


def load(path: Path) -> list[Document]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def manifests(*components: str) -> list[Document]:
    """The base with components, as kustomize puts them together."""
    documents = load(KUSTOMIZE / "base" / "rungway.yaml")
    for name in components:
        documents += load(KUSTOMIZE / "components" / name / f"{name}.yaml")
        if name == "autoscaling":
            (patch,) = load(KUSTOMIZE / "components" / name / "kustomization.yaml")[0]["patches"]
            assert yaml.safe_load(patch["patch"]) == [{"op": "remove", "path": "/spec/replicas"}]
            del the(documents, "Deployment")["spec"]["replicas"]
    return documents


def the(documents: list[Document], kind: str, name: str = "rungway") -> Document:
    (found,) = (each for each in documents if title(each) == f"{kind} {name}")
    return found


CHOICES = [choice for count in range(len(COMPONENTS) + 1) for choice in combinations(COMPONENTS, count)]


@pytest.mark.parametrize("components", CHOICES, ids=lambda choice: "+".join(("base", *choice)))
def test_nothing_is_wrong(components: tuple[str, ...]) -> None:
    documents = manifests(*components)
    assert len({title(each) for each in documents}) == len(documents)
    assert problems(documents) == []


def test_kustomizations_name_files_that_are_there() -> None:
    folders = [KUSTOMIZE / "base", *(KUSTOMIZE / "components" / name for name in COMPONENTS)]
    for folder in folders:
        (document,) = load(folder / "kustomization.yaml")
        assert [folder / name for name in document["resources"]] == [
            path for path in folder.iterdir() if path.name != "kustomization.yaml"
        ]


def test_the_versions_are_those_of_the_package() -> None:
    chart = load(CHART / "Chart.yaml")[0]
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert container(manifests())["image"] == f"rungway:{__version__}"


def test_workers_find_the_service() -> None:
    documents = manifests("workers")
    (container,) = the(documents, "Job", "rungway-digits")["spec"]["template"]["spec"]["containers"]
    service = the(documents, "Service", "rungway-grpc")
    target = f"dns:///{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert environment(container)["RUNGWAY_TARGET"] == target
    assert service["spec"]["clusterIP"] == "None"


Change = Callable[[list[Document]], Any]


def pod(document: Document) -> Document:
    found: Document = document["spec"]["template"]["spec"]
    return found


def container(documents: list[Document], kind: str = "Deployment", name: str = "rungway") -> Document:
    found: Document = the(documents, kind, name)["spec"]["template"]["spec"]["containers"][0]
    return found


BROKEN: dict[str, Change] = {
    "its selector finds": lambda d: the(d, "Service", "rungway-grpc")["spec"]["selector"].update(x="y"),
    "Deployment rungway: its selector": lambda d: the(d, "Deployment")["spec"]["selector"]["matchLabels"].update(x="y"),
    "PodDisruptionBudget rungway: its selector": lambda d: the(d, "PodDisruptionBudget")["spec"]["selector"][
        "matchLabels"
    ].pop("app.kubernetes.io/component"),
    "no port web in Deployment": lambda d: the(d, "Service", "rungway-http")["spec"]["ports"][0].update(
        targetPort="web"
    ),
    "NetworkPolicy rungway: no port web": lambda d: the(d, "NetworkPolicy")["spec"]["ingress"][0]["ports"][0].update(
        port="web"
    ),
    "no Service rungway-web": lambda d: the(d, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"][
        "service"
    ].update(name="rungway-web"),
    "no Deployment other": lambda d: the(d, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"].update(name="other"),
    "its target sets replicas": lambda d: the(d, "Deployment")["spec"].update(replicas=2),
    "no Service other": lambda d: the(d, "StatefulSet", "rungway-redis")["spec"].update(serviceName="other"),
    "more than one store": lambda d: the(d, "StatefulSet", "rungway-redis")["spec"].update(replicas=2),
    "volume tls is not mounted": lambda d: container(d).pop("volumeMounts"),
    "mount tls has no volume": lambda d: pod(the(d, "Deployment")).pop("volumes"),
    "is in no volume": lambda d: container(d)["volumeMounts"][1].update(mountPath="/etc/tls"),
    "can be read by others": lambda d: pod(the(d, "Deployment"))["volumes"][1]["secret"].pop("defaultMode"),
    "may run as root": lambda d: pod(the(d, "Deployment"))["securityContext"].pop("runAsNonRoot"),
    "no seccomp profile": lambda d: pod(the(d, "Deployment"))["securityContext"].pop("seccompProfile"),
    "gets a token": lambda d: pod(the(d, "Deployment")).pop("automountServiceAccountToken"),
    "gets variables": lambda d: pod(the(d, "Deployment")).pop("enableServiceLinks"),
    "reaches the host": lambda d: pod(the(d, "Deployment"))["volumes"].append({"name": "x", "hostPath": {}}),
    "has rights": lambda d: container(d)["securityContext"].pop("capabilities"),
    "may write to its root": lambda d: container(d)["securityContext"].pop("readOnlyRootFilesystem"),
    "image rungway:latest": lambda d: container(d).update(image="rungway:latest"),
    "image rungway is": lambda d: container(d).update(image="rungway"),
    "no memory limit": lambda d: container(d)["resources"].pop("limits"),
    "no livenessProbe": lambda d: container(d).pop("livenessProbe"),
    "livenessProbe: not /livez": lambda d: container(d)["livenessProbe"]["httpGet"].update(path="/readyz"),
    "readinessProbe: not at": lambda d: container(d)["readinessProbe"]["httpGet"].update(port="http"),
    "there is no such variable": lambda d: container(d)["env"].append({"name": "RUNGWAY_TOKNES", "value": "true"}),
    "is killed before": lambda d: pod(the(d, "Deployment")).update(terminationGracePeriodSeconds=20),
    "a disruption counts": lambda d: the(d, "Job", "rungway-digits")["spec"].pop("podFailurePolicy"),
    "restartPolicy: Never": lambda d: pod(the(d, "Job", "rungway-digits")).pop("restartPolicy"),
}


@pytest.mark.parametrize("expected", BROKEN)
def test_what_is_wrong_is_found(expected: str) -> None:
    documents = copy.deepcopy(manifests(*COMPONENTS))
    BROKEN[expected](documents)
    assert any(expected in problem for problem in problems(documents)), problems(documents)


def test_a_budget_wants_two() -> None:
    documents = manifests()
    the(documents, "Deployment")["spec"]["replicas"] = 1
    assert "has one replica" in " ".join(problems(documents))
