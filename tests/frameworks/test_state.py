"""What `save_state` does on a host with GPUs, with their functions of torch in place of GPUs."""

from pathlib import Path

import pytest
import torch

from rungway.integrations.torch import load_state, save_state


class Devices:
    """The generators of some GPUs."""

    def __init__(self, patch: pytest.MonkeyPatch, *states: int) -> None:
        self.states = [torch.tensor([state], dtype=torch.uint8) for state in states]
        patch.setattr(torch.cuda, "is_available", lambda: bool(self.states))
        patch.setattr(torch.cuda, "device_count", lambda: len(self.states))
        patch.setattr(torch.cuda, "get_rng_state_all", lambda: list(self.states))
        patch.setattr(torch.cuda, "set_rng_state_all", self._set)

    def _set(self, states: list[torch.Tensor]) -> None:
        self.states = list(states)

    def numbers(self) -> list[int]:
        """The state of each."""
        return [int(state) for state in self.states]


def test_the_generators_of_gpus_are_saved_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Devices(monkeypatch, 7, 8)
    save_state(tmp_path, step=3)
    later = Devices(monkeypatch, 1, 2)
    assert load_state(tmp_path) == {"step": 3}
    assert later.numbers() == [7, 8]


@pytest.mark.parametrize("states", [[], [1], [1, 2, 3]])
def test_a_host_with_other_gpus_keeps_its_generators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: list[int]
) -> None:
    Devices(monkeypatch, 7, 8)
    save_state(tmp_path, step=3)
    other = Devices(monkeypatch, *states)
    drawn = torch.rand(1)
    load_state(tmp_path)
    assert other.numbers() == states
    assert torch.rand(1) == drawn  # those of torch itself are restored


def test_what_was_saved_with_gpus_is_read_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tensors of a checkpoint are read to the CPU, and copied into the parts from there."""
    seen: list[object] = []
    load = torch.load

    def noted(*arguments: object, **options: object) -> object:
        seen.append(options["map_location"])
        return load(*arguments, **options)

    model = torch.nn.Linear(2, 1)
    save_state(tmp_path, model=model)
    monkeypatch.setattr(torch, "load", noted)
    load_state(tmp_path, model=model)
    assert seen == ["cpu", "cpu"]
