"""Recognises a file of another tool and converts it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from rungway_server.convert.draft import CannotConvert, Draft, Gap
from rungway_server.convert.katib import read_katib
from rungway_server.convert.nni import read_nni, read_nni_space
from rungway_server.convert.optuna import read_optuna
from rungway_server.convert.places import Places, places
from rungway_server.convert.python_source import read_source
from rungway_server.convert.ray import read_ray
from rungway_server.convert.wandb import read_wandb
from rungway_server.convert.written import in_order, written
from rungway_server.domain.documents.text import BadDocument, read_either
from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.domain.experiment import parse
from rungway_server.domain.foreign import Tool, tool_of, tool_of_source

ReadOther = Callable[[str], str]
"""The text of a file that the converted one names, by its name there. Raises BadDocument."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a file."""

    tool: Tool
    config: Mapping[str, object]
    text: str
    """The same as YAML, with the gaps as comments."""
    gaps: tuple[Gap, ...]
    """What has no exact counterpart, by line."""
    refused: tuple[Violation, ...]
    """What Rungway refuses in the configuration; empty if it can be created as it is."""


def convert(text: str, name: str, read_other: ReadOther) -> Converted:
    """Convert the text of a file; `name` is shown, and tells Python by its end. Raises CannotConvert, BadDocument."""
    try:
        draft = _draft(text, name, read_other)
    except RecursionError:
        raise CannotConvert("nested too deeply") from None
    if not draft.hyperparameters:
        named = "".join(f"; line {each.line}: {each.what}" for each in in_order(draft.gaps)[:3])
        raise CannotConvert(f"it has no hyperparameters that can be read{named}")
    config: dict[str, object] = {
        **{key: draft.more[key] for key in ("name", "description") if key in draft.more},
        "hyperparameters": draft.hyperparameters,
        "searcher": {key: draft.searcher[key] for key in sorted(draft.searcher, key=_place)},
        **{key: value for key, value in draft.more.items() if key not in ("name", "description")},
    }
    refused: tuple[Violation, ...] = ()
    try:
        parse(config)
    except InvalidInput as error:
        refused = error.violations
    return Converted(draft.tool, config, written(draft, config, name), tuple(in_order(draft.gaps)), refused)


_FIRST = ("name", "metric", "smaller_is_better", "target_metric", "max_trials", "max_length", "unit")


def _place(key: str) -> int:
    """Where a key of the searcher is written."""
    return _FIRST.index(key) if key in _FIRST else len(_FIRST)


def _draft(text: str, name: str, read_other: ReadOther) -> Draft:
    tool = tool_of_source(text)
    if tool or PurePath(name).suffix == ".py":
        if tool is None:
            raise CannotConvert("neither Optuna nor Ray Tune is imported")
        source = read_source(text)
        return read_optuna(source) if tool is Tool.OPTUNA else read_ray(source)
    document = read_either(text)
    where = places(text)
    match tool_of(document):
        case Tool.WANDB:
            return read_wandb(document, where)
        case Tool.KATIB:
            return read_katib(document, where)
        case Tool.NNI:
            return read_nni(document, where, lambda other: _other(other, read_other))
        case Tool.NNI_SPACE:
            return read_nni_space(document, where)
        case _:
            if "hyperparameters" in document:
                raise CannotConvert("it is a configuration of Rungway (or Determined) already")
            raise CannotConvert("its keys are those of no tool: wanted W&B, Katib, NNI, Optuna or Ray Tune")


def _other(name: str, read_other: ReadOther) -> tuple[Mapping[str, Any], Places]:
    try:
        text = read_other(name)
        return read_either(text), places(text)
    except BadDocument as error:
        raise CannotConvert(f"{name}: {error}") from None
