"""The load tests run and report. What they measure is not judged here: a test machine has other work.

Each takes seconds, and `make load` runs them all: `make test` has one of calls, of workers, of those who wait, of reads
and of too many calls.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.peers import environments
from loadtests.peers.entrants import RUNGWAY, VIZIER, AdapterFailed, Entrant, running
from loadtests.peers.runner import Terms, measure
from loadtests.searchers import SEARCHERS
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parents[2]
LONG = pytest.mark.long
LOCUST = ROOT / ".venv-peers" / "locust" / "installed.txt"


def load(test: str, *arguments: str | Path, results: Path) -> tuple[str, list[dict[str, Any]]]:
    """Runs a load test; its output and its results."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", test, *arguments, "--json", results],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(results.read_text())["results"]


def test_costs(tmp_path: Path) -> None:
    sizes = ("--calls", "160", "--rounds", "1", "--in-flight", "4", "--rate", "600")
    output, rounds = load("costs", *sizes, results=tmp_path / "costs.json")
    kinds = [("gRPC", call) for call in ("no-op", "tell", "ask", "batch")]
    kinds += [("HTTP proto", call) for call in ("tell", "ask", "batch")]
    kinds += [("HTTP JSON", "tell"), ("gRPC", "pair"), ("HTTP proto", "pair"), ("gRPC", "no-op"), ("gRPC", "tell")]
    assert [(one["port"], one["call"]) for one in rounds] == kinds
    for one in rounds:
        assert one["calls"] == 160, one
        assert one["server_us"] > 0, one
        assert one["generator_us"] > 0, one
        assert one["per_second"] < (900 if one["load"] == "600/s" else 1e9), one
        assert 0 < one["p50_ms"] <= one["p99_ms"], one
    rows = [line.split() for line in output.splitlines()[1:13]]
    assert all(float(row[-5].replace(",", "")) > 0 for row in rows), output  # to the no-op


@LONG
def test_growth(tmp_path: Path) -> None:
    _, results = load("growth", "--trials", "10", "200", results=tmp_path / "growth.json")
    assert [one["trials"] for one in results] == [10, 200]
    for one in results:
        assert one["ask_us"] > 0, one
        assert one["tell_us"] > 0, one
        assert one["tell_at_rung_us"] > 0, one


@LONG
def test_searchers(tmp_path: Path) -> None:
    output, results = load("searchers", "--trials", "60", results=tmp_path / "searchers.json")
    assert [one["searcher"] for one in results] == list(SEARCHERS)
    for one in results:
        assert min(one["ask_us"], one["tell_us"], one["tell_at_rung_us"]) > 0, one
    assert "an ask of auto to async_halving" in output


def test_fleet(tmp_path: Path) -> None:
    _, (one,) = load("fleet", "--trials", "40", "--interval", "0.4", "--seconds", "1", results=tmp_path / "fleet.json")
    assert one["reports_per_second"] > 10, one
    assert 0 < one["p50_ms"] <= one["p99_ms"], one
    assert one["errors"] == 0, one
    assert 0 < one["live"] <= 40, one


@pytest.mark.parametrize("port", ["gRPC", pytest.param("HTTP", marks=LONG)])
def test_waiting(port: str, tmp_path: Path) -> None:
    sizes = ("--waiting", "100", "--stragglers", "10", "--interval", "0.05", "--rung", "100", "--seconds", "1.5")
    output, (one,) = load("waiting", *sizes, "--settle", "0", "--port", port, results=tmp_path / "waiting.json")
    assert one["tells"] > 0, one
    assert one["taken"] > 0, one
    assert one["overtaken"] == 0, one
    assert one["woken"] == one["asks"] == one["work"] > 0, one
    assert one["told"] == 100 - one["woken"], one
    assert output.count("waiting  ") >= 9, output


def test_reads(tmp_path: Path) -> None:
    small = ("--trials", "200", "--points", "20", "--pause", "0.05")
    output, results = load("reads", *small, results=tmp_path / "reads.json")
    assert output.count("longest script while") == len(results) == 11, output
    assert [one["read"] for one in results][-4:] == [
        "ExportExperiment",
        "rungway audit",
        "DeleteExperiment",
        "rungway import",
    ]
    for one in results:
        assert one["tells"] > 0, one
        assert 0 < one["tell_p50_ms"] <= one["slowest_tell_ms"], one
        assert one["longest_slice_ms"] > 0, one


def test_overload(tmp_path: Path) -> None:
    _, results = load("overload", "--factor", "2", "--seconds", "0.5", results=tmp_path / "overload.json")
    assert [one["name"] for one in results] == ["before", "overload", "after"]
    for one in results:
        assert one["answered"] + one["shed"] + one["late"] == one["offered"] > 0, one


@LONG
def test_soak(tmp_path: Path) -> None:
    output, results = load("soak", "--minutes", "0.05", "--searches", "2", results=tmp_path / "soak.json")
    assert results[-1]["searches"] > 0
    assert results[-1]["request_ids"] > 0
    for one in results:
        assert one["server_mib"] > 1, one
        assert one["redis_mib"] > 1, one
        assert one["server_files"] > 1, one
    assert output.count("too short to say") == 5, output


@LONG
def test_peers_measure_rungway_by_their_own_rules(tmp_path: Path) -> None:
    output, results = load(
        "peers",
        *("--only", "Rungway", "--trials", "20", "--rounds", "1", "--seconds", "0.3"),
        results=tmp_path / "peers.json",
    )
    assert [(one["trials"], one["clients"]) for one in results] == [(20, clients) for clients in (8, 64, 8, 8, 8)]
    for one in results:
        assert one["pairs_per_second"] > 0, one
        assert one["service_us"] > 0, one
    assert output.count("not measured") == 5, output


@LONG
def test_sdk(tmp_path: Path) -> None:
    output, results = load("sdk", "--reports", "20", "--rounds", "1", results=tmp_path / "sdk.json")
    assert [(one["port"], one["phase"]) for one in results] == [
        (port, phase) for port in ("gRPC", "HTTP") for phase in ("decisions", "between")
    ]
    for one in results:
        assert one["cpu_us"] > 0, one
        assert one["bytes"] > 4 * 8, one
    assert output.count("four further metrics included") == 4, output


@LONG
@pytest.mark.slow
async def test_a_peer_that_cannot_be_installed_says_so_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(environments, "_failures", {})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    ours = replace(RUNGWAY, clients=(2,))
    vizier, rungway = await measure([([VIZIER, ours], [20])], Terms(seconds=0.3, rounds=1, limit=5.0))
    assert vizier.pairs_per_second is None
    assert vizier.note.startswith("not installed: ERROR: No matching distribution found for google-vizier"), vizier
    assert (rungway.pairs_per_second or 0) > 0, rungway


async def test_an_adapter_that_ends_says_why() -> None:
    async with running(Entrant("Nobody", "nobody", "memory", "none"), "", "") as adapter:
        with pytest.raises(AdapterFailed, match=r"No module named loadtests\.peers\.nobody"):
            await adapter.ask(5, do="store", trials=1, seconds=1)


@LONG
def test_replicas(tmp_path: Path) -> None:
    arguments = ("--servers", "1", "2", "--shards", "1", "--seconds", "0.5", "--rounds", "1", "--rate", "100")
    _, results = load("replicas", *arguments, results=tmp_path / "replicas.json")
    assert [one["servers"] for one in results] == [1, 2]
    for one in results:
        assert one["per_second"] > 0, one
        assert one["capacity"] > 0, one


@LONG
def test_experiments(tmp_path: Path) -> None:
    small = ("--experiments", "8", "--calls", "200", "--rounds", "2")
    output, results = load("experiments", *small, results=tmp_path / "experiments.json")
    assert [one["experiments"] for one in results] == [1, 8]
    for one in results:
        assert one["server_us"] > one["redis_us"] > 0, one
    assert output.count("8 experiments at once to one") == 2, output


def test_beyond(tmp_path: Path) -> None:
    costs = [
        {"port": "gRPC", "call": call, "load": "64 in flight", "calls": 9, "server_us": 400.0, "redis_us": redis_us}
        | dict.fromkeys(("generator_us", "to_noop", "per_second", "p50_ms", "p99_ms", "other_cores"), 1.0)
        for call, redis_us in (("no-op", 0.0), ("tell", 50.0), ("pair", 100.0))
    ]
    measured = tmp_path / "costs.json"
    measured.write_text(json.dumps({"results": costs}))
    workers = ("--workers", "100", "2000", "--interval", "5", "--first-rung", "4", "--servers", "2")
    output, (few, many) = load("beyond", *workers, "--costs", measured, results=tmp_path / "beyond.json")
    assert few["reports"] == pytest.approx(100 / 5, rel=0.01)
    assert many["reports"] == pytest.approx(2_000 / 5, rel=0.01)
    assert many["servers"] == pytest.approx(many["calls"] * 400e-6 / 2)
    assert many["calls"] * 50e-6 < many["redis"] < many["calls"] * 100e-6
    assert many["p99_ms"] > few["p50_ms"] > 0.1
    table = output.splitlines()
    begins = next(i for i, line in enumerate(table) if line.lstrip().startswith("resource "))
    assert "2 server processes" in table[begins + 1], output
    assert "one shard of Redis" in table[begins + 2], output


@pytest.mark.skipif(
    not (ROOT / ".venv-peers" / "locust" / "installed.txt").exists(),
    reason="`make load LOAD_ARGS=locust` installs Locust",
)
def test_the_file_for_locust_works_with_a_real_one(tmp_path: Path) -> None:
    _, results = load("locust", "--users", "5", "--interval", "0.2", "--seconds", "5", results=tmp_path / "locust.json")
    seen = {one["name"]: one for one in results}
    assert seen.keys() == {
        *(f"SearchService/{rpc}" for rpc in ("Ask", "Tell")),
        *(f"ExperimentService/{rpc}" for rpc in ("CreateExperiment", "DeleteExperiment")),
    }
    assert seen["SearchService/Tell"]["requests"] > 0, results
    assert all(one["failures"] == 0 for one in results), results
