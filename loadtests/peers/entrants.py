"""The peers that take part, and the adapter program of each, run by the interpreter of its environment."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.peers.environments import python_of

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 180
_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Entrant:
    """One peer in one setting. `over`: where its trials are stored; `pruner`: what decides at a rung."""

    peer: str
    adapter: str
    over: str
    pruner: str
    environment: str = ""
    """Name of its environment; empty for that of Rungway."""
    clients: tuple[int, ...] = (8,)
    """Numbers of client processes, one measurement each; 0 = it works in process, without a network."""
    http: bool = False
    """Whether Rungway is called over HTTP; else over gRPC."""
    empty: bool = False
    """Whether each measurement begins with nothing stored."""

    @property
    def ours(self) -> bool:
        """Whether it is Rungway."""
        return self.peer == "Rungway"


JOURNAL = "journal in Redis"
RUNGWAY = Entrant("Rungway", "rungway_sdk", "Redis", "asha", clients=(8, 64))
RUNGWAY_HTTP = Entrant("Rungway", "rungway_sdk", "Redis", "asha, over HTTP", http=True)
RUNGWAY_BATCHES = Entrant("Rungway", "rungway_sdk", "Redis", "asha, batches of 16")
RUNGWAY_LOOP = Entrant("Rungway", "rungway_sdk", "Redis", "asha, promoted go on")
VIZIER = Entrant("Vizier", "vizier_grpc", "memory", "none", "vizier")
OPTUNA_JOURNAL_SHA, OPTUNA_MEMORY_SHA, *_OTHER_PROXIES = [
    Entrant("Optuna gRPC", "optuna_grpc", over, pruner, "optuna")
    for over, pruner in (
        (JOURNAL, "SuccessiveHalving"),
        ("memory", "SuccessiveHalving"),
        (JOURNAL, "none"),
        ("memory", "none"),
        ("SQLite", "none"),
        ("SQLite", "SuccessiveHalving"),
    )
]
OPTUNA_SHA, OPTUNA_HYPERBAND, _OPTUNA_NONE = [
    Entrant("Optuna", "optuna_memory", "memory", pruner, "optuna", clients=(0,))
    for pruner in ("SuccessiveHalving", "Hyperband", "none")
]
SYNE_TUNE = Entrant("Syne Tune", "syne_tune_memory", "memory", "ASHA", "syne-tune", clients=(0,))
ENTRANTS = [
    RUNGWAY,
    RUNGWAY_HTTP,
    RUNGWAY_BATCHES,
    RUNGWAY_LOOP,
    OPTUNA_JOURNAL_SHA,
    OPTUNA_MEMORY_SHA,
    *_OTHER_PROXIES,
    VIZIER,
    OPTUNA_SHA,
    OPTUNA_HYPERBAND,
    _OPTUNA_NONE,
    SYNE_TUNE,
    Entrant("Ray, ASHA alone", "ray_memory", "memory", "ASHA", "ray", clients=(0,)),
    Entrant("Ray Tune, trials", "ray_trials", "memory", "ASHA", "ray", clients=(0,), empty=True),
]


class AdapterFailed(Exception):
    """An adapter ended or was too slow; the text says which."""


class Adapter:
    """A running adapter; `adapter` describes the protocol."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self._process, self._errors = process, errors

    async def ask(self, within: float, **request: Any) -> dict[str, Any]:
        """The answer to a request. Raises AdapterFailed if there is none within `within` seconds."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            line = await asyncio.wait_for(self._process.stdout.readline(), _START_SECONDS + within)
        except TimeoutError:
            raise AdapterFailed(f"no answer in {_START_SECONDS + within:.0f} s") from None
        except (ConnectionError, RuntimeError):  # uvloop raises the latter for a closed pipe
            line = b""
        if not line:
            lines = self._errors.read_text(errors="replace").strip().splitlines() or ["it ended"]
            raise AdapterFailed(lines[-1])
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def running(entrant: Entrant, target: str, redis_url: str) -> AsyncIterator[Adapter]:
    """Run the adapter of an entrant. `target`: the address of Rungway; `redis_url`: a Redis for peers that need one.

    Raises NotInstalled.
    """
    python = await python_of(entrant.environment) if entrant.environment else sys.executable
    with tempfile.TemporaryDirectory(prefix="rw-peer-") as folder:
        errors = Path(folder) / "errors.txt"
        with errors.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(python, "-m", f"loadtests.peers.{entrant.adapter}", "--target", target, "--redis", redis_url),
                *("--folder", folder, "--over", entrant.over, "--pruner", entrant.pruner),
                cwd=_ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        try:
            yield Adapter(process, errors)
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
