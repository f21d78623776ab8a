"""The shared rules of training loops, without any library: real signals to real processes."""

import signal
from pathlib import Path

from tests.support.disturbed import Example, check_same, disturbed, undisturbed

NUMPY = Example("numpy_loop.py", lease_seconds=1.5)


def test_a_killed_and_preempted_training_ends_as_an_undisturbed_one(target: str, tmp_path: Path) -> None:
    first = undisturbed(NUMPY, target, tmp_path / "first")
    assert len(first.rates) == (4 + 2 + 2) * 12
    second = disturbed(NUMPY, target, tmp_path / "second", len(first.rates), signal.SIGUSR1)
    check_same(first, second)
    for number, curve in second.curves.items():
        kept = [path for path in second.checkpoints if path.split("/")[1] == str(number)]
        assert len(kept) <= 2, second.checkpoints
        assert any(path.split("/")[2].startswith(f"{curve[-1][0]}-") for path in kept), second.checkpoints
