"""The options of an agent: which GPUs there are, and when it has to be gone."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from rungway import InvalidArgument
from rungway._agent.devices import devices, variables
from rungway._agent.options import moment, options

NOW = datetime(2026, 3, 1, 22, 0, 30)
MOMENTS = [
    ("23:30", datetime(2026, 3, 1, 23, 30)),
    ("22:00", datetime(2026, 3, 2, 22, 0)),
    ("7:05", datetime(2026, 3, 2, 7, 5)),
    ("2h30m", datetime(2026, 3, 2, 0, 30, 30)),
    ("1d45s", datetime(2026, 3, 2, 22, 1, 15)),
    ("2026-12-01T08:00", datetime(2026, 12, 1, 8, 0)),
    ("2026-12-01T08:00+00:00", datetime.fromisoformat("2026-12-01T08:00+00:00")),
]
GPUS = [
    ("0,2", "4,GPU-a,7", ("4", "7")),
    ("all", "4,GPU-a", ("4", "GPU-a")),
    ("all", "4,-1,5", ("4",)),  # CUDA ends its list at the first that is none
    ("GPU-a", "4,GPU-a", ("GPU-a",)),
    ("1, 0", "4,5", ("5", "4")),
]
NO_GPUS = [
    ("0,x", "0,1", "got 'x', wanted all, or numbers or UUIDs such as 0,1,2"),
    ("", "0,1", "got '', wanted all"),
    ("2", "4,5", "got 2, but CUDA_VISIBLE_DEVICES=4,5 has 2"),
    ("GPU-b", "GPU-a", "got GPU-b, but CUDA_VISIBLE_DEVICES=GPU-a has 1"),
    ("0,1,0", "4,5", "wanted each GPU once"),
    ("all", "", "got all, but CUDA_VISIBLE_DEVICES= leaves none"),
]


@pytest.mark.parametrize(("text", "at"), MOMENTS)
def test_a_moment(text: str, at: datetime) -> None:
    assert moment(text, NOW) == at.timestamp()


@pytest.mark.parametrize("text", ["", "25:00", "2 hours", "90", "2026-12-01", "-1h", "30m2h"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"until: got .*, wanted a time of day"):
        moment(text, NOW)


def test_a_moment_that_leaves_no_time_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="0 seconds from now, wanted more than the grace of 5 seconds"):
        options(until="2020-01-01T00:00", grace=5)
    found = options(until="1h", grace=5)
    assert found.until == pytest.approx(time.time() + 3600, abs=60)


@pytest.mark.parametrize(("text", "visible", "found"), GPUS)
def test_gpus_that_are_visible(text: str, visible: str, found: tuple[str, ...]) -> None:
    assert devices(text, {"CUDA_VISIBLE_DEVICES": visible}) == found


@pytest.mark.parametrize(("text", "visible", "problem"), NO_GPUS)
def test_gpus_that_are_not_there(text: str, visible: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        devices(text, {"CUDA_VISIBLE_DEVICES": visible})


def test_gpus_as_nvidia_smi_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(InvalidArgument, match="nvidia-smi cannot be run here"):
        devices("all")
    assert devices("0,5") == ("0", "5")  # nothing says what there is
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 0; echo 1\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert devices("all") == ("0", "1")
    with pytest.raises(InvalidArgument, match="got 2, but nvidia-smi has 2"):
        devices("0,2")


def test_a_program_counts_as_nvidia_smi_does() -> None:
    assert variables("1", {}) == {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert variables("7", {"CUDA_VISIBLE_DEVICES": "4,7"}) == {"CUDA_VISIBLE_DEVICES": "7"}


def test_one_trial_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert options(gpus="all").places == 3
    assert options(places=4).devices == ()
    with pytest.raises(InvalidArgument, match="got -n 3 as well"):
        options(gpus="all", places=3)
