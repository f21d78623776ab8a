"""The state of a training in PyTorch as files: model, optimiser, scheduler, scaler, and all generators of random
numbers."""

import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import distributed

STATE = "state.pt"
"""The file with all parts, which rank 0 writes."""
_WRAPPED = (torch.nn.parallel.DistributedDataParallel, torch.nn.DataParallel)


def save_state(folder: Path, **parts: Any) -> None:
    """Save parts of a training by name: what has a `state_dict` by it, and plain values (numbers, texts, lists, dicts,
    tensors) as they are; None is left out. The generators of `random`, NumPy, torch and its accelerators are saved too.

    In a group every rank calls it: rank 0 writes the parts, each one its own generators. For sharded models (FSDP) use
    `torch.distributed.checkpoint` instead. Use it as
    `trial.report(…, save=lambda folder: save_state(folder, …))`.
    """
    if _rank() == 0:
        state = {name: _state_of(part) for name, part in parts.items() if part is not None}
        torch.save(state, folder / STATE)
    torch.save(_generators(), folder / _generators_file())


def load_state(
    folder: Path, *, map_location: Any = "cpu", weights_only: bool = True, **parts: Any
) -> Mapping[str, Any]:
    """Load what `save_state` has saved into these parts, in place, and the generators. Returns the plain values.

    A rank that was not there when it was saved keeps its generators. `weights_only` is that of `torch.load`: without
    it, a file may run any code. Raises KeyError with the name of a part that was not saved.
    """
    state = torch.load(folder / STATE, map_location=map_location, weights_only=weights_only)
    for name, part in parts.items():
        if part is None:
            continue
        if name not in state:
            raise KeyError(f"{name} was not saved in {folder}: {', '.join(sorted(state))} were")
        _unwrapped(part).load_state_dict(state[name])
    if (file := folder / _generators_file()).exists():
        _set_generators(torch.load(file, map_location="cpu", weights_only=True))
    return {name: value for name, value in state.items() if name not in parts}


def _unwrapped(part: Any) -> Any:
    """The model in a wrapper of a group, so that it can be loaded by a group of another size."""
    return part.module if isinstance(part, _WRAPPED) else part


def _state_of(part: Any) -> Any:
    part = _unwrapped(part)
    return part.state_dict() if hasattr(part, "state_dict") else part


def _rank() -> int:
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def _generators_file() -> str:
    return f"generators-{_rank()}.pt"


def _generators() -> dict[str, Any]:
    """In types that `torch.load` reads without running code."""
    version, numbers, gauss = random.getstate()
    state: dict[str, Any] = {"python": [version, list(numbers), gauss], "torch": torch.get_rng_state()}
    if (numpy := sys.modules.get("numpy")) is not None:
        kind, keys, *rest = numpy.random.get_state()
        state["numpy"] = [kind, keys.tolist(), *rest]
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _set_generators(state: Mapping[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(state["torch"])
    if "numpy" in state:
        import numpy

        kind, keys, *rest = state["numpy"]
        numpy.random.set_state((kind, numpy.array(keys, dtype=numpy.uint32), *rest))
    if "cuda" in state and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
