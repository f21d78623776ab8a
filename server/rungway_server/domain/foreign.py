"""Recognises the file of another tool by its keys, so that it is named at once instead of key by key."""

import re
from collections.abc import Mapping
from enum import Enum

from rungway_server.domain.errors import InvalidInput


class Tool(Enum):
    """The tools whose files `rungway convert` reads; the value says what such a file is."""

    WANDB = "a sweep of W&B"
    KATIB = "an Experiment of Katib"
    NNI = "an experiment of NNI"
    NNI_SPACE = "a search space of NNI"
    OPTUNA = "a Python file with a space of Optuna"
    RAY = "a Python file with a space of Ray Tune"


_OF_NNI = frozenset(
    ("searchSpace", "searchSpaceFile", "searchSpacePath", "trialCommand", "trialConcurrency", "maxTrialNum")
)
_BESIDE_PARAMETERS = frozenset(("method", "metric", "program", "early_terminate", "run_cap", "command"))
_IMPORTED = re.compile(r"^[ \t]*(?:import|from)[ \t]+(optuna|ray)\b", re.MULTILINE)
_CALLED = re.compile(r"\.(suggest_[a-z]+)\(|\btune\.[a-z_]+\(")


def tool_of(document: Mapping[str, object]) -> Tool | None:
    """The tool that a configuration was written for; None for one of ours or Determined's, and where no key tells."""
    if "hyperparameters" in document or "searcher" in document:
        return None
    if str(document.get("apiVersion", "")).startswith("kubeflow.org/") or (
        document.get("kind") == "Experiment" and isinstance(document.get("spec"), Mapping)
    ):
        return Tool.KATIB
    if isinstance(document.get("parameters"), Mapping) and document.keys() & _BESIDE_PARAMETERS:
        return Tool.WANDB
    if document.keys() & _OF_NNI:
        return Tool.NNI
    if document and all(isinstance(value, Mapping) and "_type" in value for value in document.values()):
        return Tool.NNI_SPACE
    return None


def tool_of_source(text: str) -> Tool | None:
    """The tool that a Python file uses; None if it is no such file."""
    imported = {found[1] for found in _IMPORTED.finditer(text)}
    if len(imported) == 1:
        return Tool.OPTUNA if "optuna" in imported else Tool.RAY
    if (imported or re.search(r"^(?:def|import|from)\b", text, re.MULTILINE)) and (found := _CALLED.search(text)):
        return Tool.OPTUNA if found[1] else Tool.RAY
    return None


def refusal(tool: Tool, field: str = "config") -> InvalidInput:
    """Why a file of another tool is refused, and what to do."""
    return InvalidInput.one(
        field,
        f"this is {tool.value}: `rungway convert FILE` writes it as a configuration of Rungway, and names what has no"
        " counterpart",
    )
