"""deploy/compose.yaml and the files beside it: everything named is there, hardened, and of one piece."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rungway.__about__ import __version__
from rungway._core.environment import misspelt
from scripts.deploy.tools import ROOT

FOLDER = ROOT / "deploy"
OPENSSL = shutil.which("openssl")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


COMPOSE = load(FOLDER / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MADE = ("ca.crt", "tls.crt", "tls.key", "grafana-password", "prometheus-token", "redis.env")
"""What deploy/secrets.sh makes."""


def mounts(service: dict[str, Any]) -> list[list[str]]:
    return [volume.split(":") for volume in service.get("volumes", [])]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    image = re.fullmatch(r"\$\{[A-Z]+_IMAGE:-([\w./-]+):([\w.-]+)\}", service["image"])
    assert image is not None
    assert image[2] != "latest"
    for port in service.get("ports", []):
        assert port.startswith(("127.0.0.1:", "${RUNGWAY_ADDRESS:-127.0.0.1}:"))


@pytest.mark.parametrize("name", SERVICES)
def test_everything_that_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    assert set(service.get("depends_on", [])) <= SERVICES.keys()
    for source, target, *_ in mounts(service):
        assert target.startswith("/")
        if not source.startswith("./"):
            assert source in COMPOSE["volumes"]
        else:
            assert (FOLDER / source).exists()
    for file in service.get("env_file", []):
        assert Path(file).name in MADE


def test_every_secret_is_made_and_every_network_and_volume_used() -> None:
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert name in MADE
    used = {network for service in SERVICES.values() for network in service["networks"]}
    assert used == COMPOSE["networks"].keys()
    volumes = {source for service in SERVICES.values() for source, *_ in mounts(service) if not source.startswith(".")}
    assert volumes == COMPOSE["volumes"].keys()


@pytest.mark.parametrize("name", ["rungway-1", "rungway-2"])
def test_the_servers(name: str) -> None:
    service = SERVICES[name]
    variables: dict[str, str] = service["environment"]
    assert misspelt(variables) == []
    assert service["image"].endswith(f":{__version__}}}")
    for variable in ("RUNGWAY_TLS_CERT", "RUNGWAY_TLS_KEY"):
        assert variables[variable].removeprefix("/run/secrets/") in service["secrets"]
    stopping = sum(float(variables[f"RUNGWAY_DRAIN_{word}SECONDS"]) for word in ("NOTICE_", ""))
    assert float(service["stop_grace_period"].removesuffix("s")) > stopping
    assert "RUNGWAY_INSECURE" not in variables
    # Redis shares a network with them alone.
    assert SERVICES["redis"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"] == {"internal": True}


def test_the_balancer_notices_a_stop_before_the_notice_is_over() -> None:
    text = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
    (milliseconds,) = re.findall(r"check port 7079 inter (\d+)ms fall 1", text)
    for name in re.findall(r"^    server \w+ ([\w-]+):707[78]$", text, re.MULTILINE):
        notice = float(SERVICES[name]["environment"]["RUNGWAY_DRAIN_NOTICE_SECONDS"])
        assert float(milliseconds) < notice * 1000
        assert SERVICES[name]["environment"]["RUNGWAY_HEALTH_LISTEN"] == "0.0.0.0:7079"
        assert set(SERVICES["balancer"]["networks"]) <= set(SERVICES[name]["networks"])


def test_prometheus_reads_both_servers_and_grafana_reads_it() -> None:
    configuration = load(FOLDER / "compose" / "prometheus.yml")
    (job,) = configuration["scrape_configs"]
    targets = [target for each in job["static_configs"] for target in each["targets"]]
    assert targets == ["rungway-1:7078", "rungway-2:7078"]
    files = (job["authorization"]["credentials_file"], job["tls_config"]["ca_file"])
    assert {Path(file).name for file in files} == set(SERVICES["prometheus"]["secrets"])
    mounted = {target: source for source, target, *_ in mounts(SERVICES["prometheus"])}
    assert {str(Path(path).parent) for path in configuration["rule_files"]} <= mounted.keys()
    (source,) = load(FOLDER / "compose" / "grafana-datasources.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert set(SERVICES["grafana"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    (provider,) = load(FOLDER / "compose" / "grafana-dashboards.yml")["providers"]
    assert provider["options"]["path"] in {target for _, target, *_ in mounts(SERVICES["grafana"])}


@pytest.mark.skipif((promtool := shutil.which("promtool")) is None, reason="needs promtool")
def test_prometheus_understands_its_configuration() -> None:
    command = [str(promtool), "check", "config", "--syntax-only", str(FOLDER / "compose" / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(OPENSSL is None, reason="needs openssl")
def test_secrets_are_made_once(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "secrets.sh", tmp_path)

    def make(*names: str) -> dict[str, bytes]:
        subprocess.run(["sh", tmp_path / "secrets.sh", *names], check=True, capture_output=True)
        return {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}

    made = make("rungway.example.org", "192.0.2.7")
    assert set(made) == {*MADE, "ca.key"}
    assert make("another.example.org") == made
    folder = tmp_path / "secrets"
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert os.stat(folder / "ca.key").st_mode & 0o777 == 0o600
    variables = dict(line.split("=", 1) for line in made["redis.env"].decode().splitlines())
    assert f"//:{variables['REDIS_PASSWORD']}@redis:6379" in variables["RUNGWAY_REDIS_URL"]
    check = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(folder / "ca.crt")]
    for flags in (
        ["-verify_hostname", "rungway.example.org"],
        ["-verify_ip", "192.0.2.7"],
        ["-verify_hostname", "rungway"],
    ):
        subprocess.run([str(OPENSSL), *check, *flags, str(folder / "tls.crt")], check=True, capture_output=True)


SYSTEMD = shutil.which("systemd-analyze")


@pytest.mark.skipif(SYSTEMD is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """With a program that is there: the one it names is not on this machine."""
    text = (FOLDER / "systemd" / "rungway.service").read_text(encoding="utf-8")
    assert text.count("/opt/rungway/bin/rungway serve") == 1
    (tmp_path / "rungway.service").write_text(text.replace("/opt/rungway/bin/rungway serve", "/bin/true serve"))
    command = [str(SYSTEMD), "verify", "--man=no", str(tmp_path / "rungway.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert misspelt({name: "x" for name in re.findall(r"\b(RUNGWAY_\w+)", text)}) == []
