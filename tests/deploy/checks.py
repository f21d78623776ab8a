"""What schemas miss in manifests: names that have to match, pod security, settings that go together."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from rungway._core.environment import misspelt

Document = dict[str, Any]
_WORKLOADS = ("Deployment", "StatefulSet", "Job")
_VOLUMES = {"name", "secret", "emptyDir", "configMap", "persistentVolumeClaim", "projected"}


def problems(documents: list[Document]) -> list[str]:
    """Everything that is wrong with a set of manifests that are applied together."""
    return [
        f"{title(each)}: {problem}" for check in _CHECKS for each in documents for problem in check(each, documents)
    ]


def title(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def pod_of(document: Document) -> Document | None:
    """The spec of the pods that a document makes."""
    if document["kind"] not in _WORKLOADS:
        return None
    spec: Document = document["spec"]["template"]["spec"]
    return spec


def labels_of(document: Document) -> dict[str, str]:
    """The labels of the pods that a workload makes."""
    found: dict[str, str] = document["spec"]["template"]["metadata"]["labels"]
    return found


def selected(selector: dict[str, str], documents: list[Document]) -> list[Document]:
    """The workloads whose pods have these labels."""
    return [each for each in documents if each["kind"] in _WORKLOADS and selector.items() <= labels_of(each).items()]


def ports_of(document: Document) -> set[str]:
    """The names of the ports of a workload's pods."""
    containers = document["spec"]["template"]["spec"]["containers"]
    return {port["name"] for container in containers for port in container.get("ports", [])}


def environment(container: Document) -> dict[str, str]:
    """The variables of a container that are given as texts."""
    return {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}


def _selectors(document: Document, documents: list[Document]) -> Iterator[str]:
    spec = document.get("spec", {})
    selector = spec.get("podSelector") or spec.get("selector")
    if document["kind"] == "Job" or not selector:
        return
    found = selected(selector.get("matchLabels", selector), documents)
    titles = [title(each) for each in found]
    if len(found) != 1 or (document["kind"] in _WORKLOADS and titles != [title(document)]):
        yield f"its selector finds the pods of {titles}"


def _ports(document: Document, documents: list[Document]) -> Iterator[str]:
    spec = document.get("spec", {})
    if document["kind"] == "Service":
        for workload in selected(spec["selector"], documents):
            names = {port["targetPort"] for port in spec["ports"]}
            yield from (f"no port {name} in {title(workload)}" for name in names - ports_of(workload))
    elif document["kind"] == "NetworkPolicy":
        for workload in selected(spec["podSelector"]["matchLabels"], documents):
            names = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
            yield from (f"no port {name} in {title(workload)}" for name in names - ports_of(workload))
    elif document["kind"] == "Ingress":
        services = {each["metadata"]["name"]: each for each in documents if each["kind"] == "Service"}
        for path in (path for rule in spec["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            ports = services.get(backend["name"], {"spec": {"ports": []}})["spec"]["ports"]
            if backend["port"]["name"] not in {port["name"] for port in ports}:
                yield f"no Service {backend['name']} with a port {backend['port']['name']}"
    elif document["kind"] == "PodMonitor":
        for workload in selected(spec["selector"]["matchLabels"], documents):
            names = {endpoint["port"] for endpoint in spec["podMetricsEndpoints"]}
            yield from (f"no port {name} in {title(workload)}" for name in names - ports_of(workload))


def _references(document: Document, documents: list[Document]) -> Iterator[str]:
    """Of the autoscaler, and of a StatefulSet to its Service."""
    names = {title(each) for each in documents}
    spec = document.get("spec", {})
    if document["kind"] == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        if f"{target['kind']} {target['name']}" not in names:
            yield f"no {target['kind']} {target['name']}"
        for each in documents:
            if title(each) == f"{target['kind']} {target['name']}" and "replicas" in each["spec"]:
                yield "its target sets replicas itself"
    if document["kind"] == "StatefulSet":
        if f"Service {spec['serviceName']}" not in names:
            yield f"no Service {spec['serviceName']}"
        if spec["replicas"] != 1:
            yield "more than one store"


def _mounts(document: Document, _: list[Document]) -> Iterator[str]:
    """Every volume is mounted, every mount has a volume, and every file that a variable names is in one."""
    pod = pod_of(document)
    if pod is None:
        return
    volumes = {each["name"] for each in pod.get("volumes", [])}
    volumes |= {each["metadata"]["name"] for each in document["spec"].get("volumeClaimTemplates", [])}
    mounts = {mount["name"]: mount for container in pod["containers"] for mount in container.get("volumeMounts", [])}
    yield from (f"volume {name} is not mounted" for name in sorted(volumes - mounts.keys()))
    yield from (f"mount {name} has no volume" for name in sorted(mounts.keys() - volumes))
    folders = tuple(f"{mount['mountPath']}/" for mount in mounts.values())
    for name, value in (item for container in pod["containers"] for item in environment(container).items()):
        if value.startswith("/") and not value.startswith(folders):
            yield f"{name}: {value} is in no volume"
    for volume in pod.get("volumes", []):
        if "secret" in volume and volume["secret"].get("defaultMode") != 0o440:
            yield f"secret {volume['name']} can be read by others than the group"


def _restricted(document: Document, _: list[Document]) -> Iterator[str]:
    """The level "restricted" of pod security, and a root that cannot be written to."""
    pod = pod_of(document)
    if pod is None:
        return
    context = pod.get("securityContext", {})
    if not context.get("runAsNonRoot") or not context.get("runAsUser"):
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the cluster"
    if pod.get("enableServiceLinks") is not False:
        yield "gets variables of Services"
    if {"hostNetwork", "hostPID", "hostIPC"} & pod.keys() or any(v.keys() - _VOLUMES for v in pod.get("volumes", [])):
        yield "reaches the host"
    for container in pod["containers"]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"container {container['name']} has rights"
        if not own.get("readOnlyRootFilesystem"):
            yield f"container {container['name']} may write to its root"


def _resources(document: Document, _: list[Document]) -> Iterator[str]:
    for container in (pod_of(document) or {"containers": []})["containers"]:
        if not re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", container["image"]):
            yield f"image {container['image']} is not a version"
        resources = container.get("resources", {})
        if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
            yield f"container {container['name']} has no requests or no memory limit"


def _probes(document: Document, _: list[Document]) -> Iterator[str]:
    """Of the service: at its health listener. Of everything that runs on: both probes, at ports that are there."""
    pod = pod_of(document)
    if pod is None or document["kind"] == "Job":
        return
    for container in pod["containers"]:
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        health = environment(container).get("RUNGWAY_HEALTH_LISTEN", "")
        for kind, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            probe = container.get(kind)
            if probe is None:
                yield f"no {kind}"
            elif health and probe.get("httpGet", {}).get("path") != path:
                yield f"{kind}: not {path}"
            elif health and f"0.0.0.0:{ports.get(probe['httpGet']['port'])}" != health:
                yield f"{kind}: not at {health}"
            elif "tcpSocket" in probe and probe["tcpSocket"]["port"] not in ports:
                yield f"{kind}: no such port"


def _settings(document: Document, _: list[Document]) -> Iterator[str]:
    """Variables that Rungway reads, and a grace that is longer than what happens in it."""
    pod = pod_of(document)
    if pod is None:
        return
    for container in pod["containers"]:
        variables = environment(container)
        yield from (f"{name}: {advice}" for name, advice in misspelt(variables))
        drain = sum(float(variables.get(f"RUNGWAY_DRAIN_{name}SECONDS", "0")) for name in ("NOTICE_", ""))
        if pod.get("terminationGracePeriodSeconds", 30) < drain + 5:
            yield f"is killed before its {drain:g} seconds of draining are over"


def _workers(document: Document, _: list[Document]) -> Iterator[str]:
    if document["kind"] != "Job":
        return
    rules = document["spec"].get("podFailurePolicy", {}).get("rules", [])
    ignored = [
        condition["type"] for rule in rules if rule["action"] == "Ignore" for condition in rule["onPodConditions"]
    ]
    if ignored != ["DisruptionTarget"]:
        yield "a disruption counts as a failure"
    if (pod_of(document) or {}).get("restartPolicy") != "Never":
        yield "podFailurePolicy wants restartPolicy: Never"


def _replicas(document: Document, documents: list[Document]) -> Iterator[str]:
    """Who says that one may be away has more than one."""
    if document["kind"] == "PodDisruptionBudget":
        for workload in selected(document["spec"]["selector"]["matchLabels"], documents):
            if workload["spec"].get("replicas", 2) < 2:
                yield f"{title(workload)} has one replica"


_CHECKS: tuple[Callable[[Document, list[Document]], Iterator[str]], ...] = (
    *(_selectors, _ports, _references, _mounts, _restricted, _resources, _probes, _settings, _workers, _replicas),
)
