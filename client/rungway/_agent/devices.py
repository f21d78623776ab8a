"""The GPUs of a host, by the names that CUDA_VISIBLE_DEVICES takes: each training command is to see one."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from itertools import takewhile

from rungway._core.errors import InvalidArgument

VARIABLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
ALL = "all"
_SECONDS = 60.0
"""How long nvidia-smi may take: without its daemon it wakes every GPU."""


def devices(text: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The GPUs that a user names: "all", or numbers and UUIDs with commas between them.

    Where CUDA_VISIBLE_DEVICES is set, "all" are those, and numbers count them, as they do for a program. Raises
    InvalidArgument for what is not there, and for "all" where nothing says what that is.
    """
    inherited = (os.environ if environment is None else environment).get(VARIABLE)
    # CUDA itself takes what stands before the first entry that is none.
    visible = None if inherited is None else tuple(takewhile(_is_device, map(str.strip, inherited.split(","))))
    named = tuple(part.strip() for part in text.split(","))
    if named == (ALL,):
        return _all(visible, inherited)
    for name in named:
        if not _is_device(name):
            raise InvalidArgument.one("gpus", f"got {name!r}, wanted all, or numbers or UUIDs such as 0,1,2")
    there = visible if visible is not None else _listed()
    found = named if there is None else tuple(_one(name, there, inherited) for name in named)
    if len(set(found)) < len(found):
        raise InvalidArgument.one("gpus", f"got {text!r}, wanted each GPU once")
    return found


def variables(device: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables with which a program sees this GPU alone."""
    inherited = os.environ if environment is None else environment
    # The numbers are those of nvidia-smi, which CUDA counts otherwise unless it is told.
    order = {} if VARIABLE in inherited or ORDER in inherited else {ORDER: "PCI_BUS_ID"}
    return {VARIABLE: device} | order


def _all(visible: tuple[str, ...] | None, inherited: str | None) -> tuple[str, ...]:
    if visible is not None:
        if not visible:
            raise InvalidArgument.one("gpus", f"got all, but {VARIABLE}={inherited} leaves none")
        return visible
    listed = _listed()
    if not listed:
        how = "cannot be run" if listed is None else "lists none"
        raise InvalidArgument.one("gpus", f"got all, but nvidia-smi {how} here: name them, or set {VARIABLE}")
    return listed


def _one(name: str, there: tuple[str, ...], inherited: str | None) -> str:
    """A GPU by its number among those that are there, or by its UUID, which nvidia-smi lists under a number."""
    if name.isdecimal() and int(name) < len(there):
        return there[int(name)]
    if not name.isdecimal() and (name in there or inherited is None):
        return name
    seen = "nvidia-smi" if inherited is None else f"{VARIABLE}={inherited}"
    raise InvalidArgument.one("gpus", f"got {name}, but {seen} has {len(there)}, wanted numbers below that")


def _is_device(name: str) -> bool:
    return (name.isascii() and name.isdecimal()) or name.startswith(("GPU-", "MIG-"))


def _listed() -> tuple[str, ...] | None:
    """The numbers of the GPUs by nvidia-smi; None where that cannot be run."""
    if (program := shutil.which("nvidia-smi")) is None:
        return None
    asked = [program, "--query-gpu=index", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(line.strip() for line in said.stdout.splitlines() if line.strip().isdecimal())
