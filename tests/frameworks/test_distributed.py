"""One trial in several processes: a rank is killed, the whole group is told to leave, the state is sharded."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.frameworks import table
from tests.support.disturbed import Run, check_same, difference, undisturbed
from tests.support.ranks import handed_over_once, run_with_kills, torchrun

ROUNDING = 1e-5
"""DDP lays out gradients anew after its first step, so after a resume four of them are added in another order."""


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_are_killed_and_the_group_is_preempted(
    target: str, tmp_path: Path, ranks: int, record_property: Callable[[str, object], None]
) -> None:
    example = torchrun("pytorch_ddp.py", ranks)
    row = table.begin(record_property, "torch", f"torch, DDP of {ranks}", example.script)
    first = undisturbed(example, target, tmp_path / "first")
    steps = len(first.rates)
    assert steps == (4 + 2 + 2) * 12

    run = Run(example, target, tmp_path / "killed")
    run_with_kills(run, [(steps // 3, ranks - 1), (steps * 2 // 3, 0)])
    assert handed_over_once(run)
    second = run.ended()
    assert second.lengths == first.lengths
    assert second.rates == first.rates
    assert difference(first, second) <= ROUNDING
    table.done(row, first, second, f"SIGKILL of rank {ranks - 1}, of rank 0")


def test_a_whole_group_is_preempted(
    target: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Its state is sharded: every rank writes a part, and all of them are needed."""
    example = torchrun("pytorch_sharded.py", 2)
    row = table.begin(record_property, "torch", "torch, sharded over 2", example.script)
    first = undisturbed(example, target, tmp_path / "first")
    run = Run(example, target, tmp_path / "left")
    run.until(len(first.rates) * 9 // 10, signal.SIGTERM)
    assert "is given back" in run.output()
    assert run.until(None) == 0, run.output()
    second = run.ended()
    check_same(first, second, tolerance=ROUNDING)
    table.done(row, first, second, "SIGTERM to the group")
