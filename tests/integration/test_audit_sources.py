"""A search with several sources of configurations: the audit passes a sound one and names what is broken."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from rungway_server.store.redis.layout.records import ATTRIBUTES, packed, unpack
from tests.support.audited import check_broken
from tests.support.golden import REF, written
from tests.support.redis_server import redis_on_socket
from tests.support.snapshot import Snapshot


class Scene:
    """The golden search in Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.base = redis, "rungway:{default/golden}"

    @property
    def counts(self) -> dict[str, Any]:
        """What is counted."""
        found: Any = self.redis.hget(f"{self.base}:meta", "counts")
        counts: dict[str, Any] = unpack(found)
        return counts

    def set_sources(self, **changes: object) -> None:
        """Change what is counted of the sources."""
        counts = self.counts
        counts["sources"] |= changes
        self.redis.hset(f"{self.base}:meta", "counts", packed(counts))

    def set_stock(self, lane: int, **changes: object) -> None:
        """Change what is counted of a lane."""
        stock = self.counts["sources"]["stock"]
        stock[lane - 1] |= changes
        self.set_sources(stock=stock)

    def set_origin(self, origin: int) -> None:
        """Change where the first trial comes from."""
        found: Any = self.redis.hget(f"{self.base}:trials", "0")
        values = dict(zip(ATTRIBUTES, unpack(found), strict=False)) | {"entry": origin}
        self.redis.hset(f"{self.base}:trials", "0", packed(list(values.values())))

    def own(self) -> list[bytes]:
        """The results of the sampler that are listed again."""
        found: Any = self.redis.zrangebylex(f"{self.base}:rungs", b"[\x80", "+")
        return list(found)


DAMAGES: dict[str, list[Callable[[Scene], object]]] = {
    "trials_have_a_source": [lambda s: s.set_origin(5 * 32), lambda s: s.set_origin(32)],
    "results_of_the_sampler_are_listed": [
        lambda s: s.redis.zrem(f"{s.base}:rungs", s.own()[0]),
        lambda s: s.set_sources(sizes=[0, *s.counts["sources"]["sizes"][1:]]),
    ],
    "shares_of_sources_are_a_whole": [
        lambda s: s.set_sources(share=[4096, 1, 0]),
        lambda s: s.set_sources(share=[4097, -1, 0]),
        lambda s: s.set_sources(credit=[0, 0]),
    ],
    "what_sources_had_is_counted": [lambda s: s.set_sources(spent=[10**6, 0, 0])],
    "the_stock_is_all_there": [
        lambda s: s.redis.hset(f"{s.base}:configs", "2:999", packed([0.5] * 2)),
        lambda s: s.set_stock(2, filled=10**3, drawn=10**3),
        lambda s: s.set_stock(3, drawn=0),
    ],
}
"""Ways to break each invariant, by its name."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def saved(url: str) -> Snapshot:
    return written(url, "layout-13-sources.json")


@pytest.mark.parametrize(("name", "which"), [(name, i) for name in DAMAGES for i in range(len(DAMAGES[name]))])
def test_what_is_broken_is_named(url: str, saved: Snapshot, name: str, which: int) -> None:
    check_broken(url, REF, saved, name, lambda client: DAMAGES[name][which](Scene(client)))
