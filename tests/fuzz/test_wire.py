"""Any bytes may come to the port: others are answered meanwhile and afterwards, in time, with bounded memory."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway.v1.search_service_pb2 import AskRequest
from tests.fuzz.extent import EXAMPLES, tried
from tests.fuzz.wire import ATTACKS, Attack, changed_calls, message, random_frames, say
from tests.support.calls import calls_to, config
from tests.support.http2 import frame, opened
from tests.support.service import Service

SECONDS = 20.0
"""Deadline of the calls of others: generous, because machines that run tests are busy."""
MOST_GROWTH = 192 << 10
"""How much memory (KiB) an attack may cost the service in the end: what allocators keep, not what was sent."""
ROUNDS = max(1, EXAMPLES // 25)


class Neighbour(threading.Thread):
    """The worker of another user: asks now and then, and remembers the slowest answer."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._over = threading.Event()
        self.calls, self.lost, self.slowest = 0, 0, 0.0
        self.failure: Exception | None = None

    def run(self) -> None:
        with calls_to(self._address) as calls:
            while not self._over.is_set() and not self.failure:
                start = time.monotonic()
                try:  # as every client, ours too: waits for a connection, and calls again when one was lost
                    calls.search.Ask(
                        AskRequest(experiment="known", worker="neighbour"), timeout=SECONDS, wait_for_ready=True
                    )
                except grpc.RpcError as error:
                    lost = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
                    self.lost, self.failure = self.lost + lost, None if lost else error
                self.calls, self.slowest = self.calls + 1, max(self.slowest, time.monotonic() - start)
                self._over.wait(0.02)

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture(scope="module", autouse=True)
def known(service: Service) -> None:
    with calls_to(service.address) as calls:
        calls.create("known", config(max_trials=1_000_000, max_concurrent_trials=4))


@pytest.fixture
def neighbour(service: Service) -> Iterator[Neighbour]:
    """Is answered during the test and after it."""
    other = Neighbour(service.address)
    other.start()
    yield other
    done = other.calls
    while other.calls < done + 3 and not other.failure:
        time.sleep(0.02)
    other.stop()
    assert other.failure is None
    print(f" {other.calls} calls of a neighbour, {other.lost} lost, slowest {other.slowest:.2f} s")


def memory(service: Service) -> int:
    """Resident memory of the service (KiB)."""
    status = Path(f"/proc/{service.process.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_attacks(attack: Attack, service: Service, neighbour: Neighbour) -> None:
    before = memory(service)
    for number in range(ROUNDS):
        attack(service.address, random.Random(number))
    after = memory(service)
    print(f"\n{attack.__name__}: memory {before / 1024:.0f} -> {after / 1024:.0f} MiB,", end="")
    assert after - before < MOST_GROWTH


@tried
@given(seed=st.integers(0, 2**32))
def test_changed_bytes(seed: int, service: Service) -> None:
    attack = random_frames if seed % 2 else changed_calls
    attack(service.address, random.Random(seed))


@tried
@given(data=st.binary(max_size=200), flags=st.integers(0, 255), lie=st.none() | st.integers(0, 2**24 - 1))
def test_frames_of_any_bytes(data: bytes, flags: int, lie: int | None, service: Service) -> None:
    say(service.address, opened(*(frame(kind, flags, 1, data, lie) for kind in (1, 0)), message(data)))
