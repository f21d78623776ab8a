"""The load tests run and report. What they measure is not judged here: a test machine has other work."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def load(test: str, *arguments: str, results: Path) -> tuple[str, list[dict[str, Any]]]:
    """Runs a load test; its output and its results."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", test, *arguments, "--json", results],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(results.read_text())["results"]


def test_throughput(tmp_path: Path) -> None:
    output, results = load(
        "throughput", "--seconds", "0.2", "--in-flight", "4", "--rounds", "1", results=tmp_path / "throughput.json"
    )
    assert [one["kind"] for one in results] == ["no-op", "tell", "ask", "pair: ask", "pair: tell"]
    for one in results:
        assert one["per_second"] > 0, one
        assert 0 < one["p50"] <= one["p99"], one
        assert one["generator_cpu"] >= 0, one
    rows = [line.split() for line in output.splitlines()[1:6]]
    assert [row[0] for row in rows] == ["4"] * 5
    assert all(float(row[-8].replace(",", "")) > 0 for row in rows), output


def test_growth(tmp_path: Path) -> None:
    _, results = load("growth", "--trials", "10", "200", results=tmp_path / "growth.json")
    assert [one["trials"] for one in results] == [10, 200]
    for one in results:
        assert one["ask"] > 0, one
        assert one["tell_between_rungs"] > 0, one
        assert one["tell_at_rung"] > 0, one
