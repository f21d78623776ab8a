"""Counts what decision scripts did, from their answers as they come.

An answer from memory, to a call that was repeated, says so in its notes and is not counted again, so that the counters
never say more than the event log.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rungway_server.domain.search.sources import WORDS as SOURCES
from rungway_server.store.redis.layout.codes import WORDS
from rungway_server.store.redis.layout.numbers import why_of

if TYPE_CHECKING:
    from prometheus_client import Counter

    from rungway_server.metrics import Inc, Metrics

_DECISION, _REASON = 0, 4
"""Places in a reply: lua/include/replies.lua."""
_ASSIGNED_REASON = 11
"""Place in an assignment: lua/commands/ask.lua."""
_ITEMS, _REPORTS, _ITEM_SIZE = 4, 4, 5
"""Where the results begin in the arguments of tell.lua after the uid, where each has the number of its reports, and
the size of one without them."""

Words = str | bytes | int


class SearchCounter:
    """Counts asks, assignments, decisions, results, and trials and leases that end."""

    def __init__(self, metrics: "Metrics") -> None:
        self._metrics = metrics
        self._bound: dict[tuple[object, ...], Inc] = {}
        self._by_script: dict[str, Callable[[str, Sequence[Any], list[Any], set[int]], None]] = {
            "ask": self._ask,
            "tell": self._tell,
            "release": self._told,
            "fail": self._told,
        }

    def count(self, script: str, namespace: str, args: Sequence[Any], answer: list[Any], notes: list[Any]) -> None:
        """Count a script's answer. `args` are those after the uid; `notes` as in lua/include/notes.lua."""
        count = self._by_script.get(script)
        if count is None:
            return
        namespace, again = self._metrics.namespace(namespace), set[int]()
        for word, *rest in notes:
            if word == b"again":
                again.add(rest[0])
            elif word == b"lapsed":
                self._add(self._metrics.leases_lapsed, namespace)
            elif word == b"ended":
                self._add(self._metrics.trials_ended, namespace, rest[0], rest[1] or b"none")
        count(namespace, args, answer, again)

    def _add(self, family: "Counter", namespace: str, *labels: Words) -> None:
        key = (family, namespace, *labels)
        add = self._bound.get(key)
        if add is None:
            add = self._bound[key] = self._metrics.of_namespace(family, namespace, *map(_word, labels))
            lapsed = (self._metrics.leases_lapsed, namespace)
            if lapsed not in self._bound:  # at 0, so that the alert sees the first one
                self._bound[lapsed] = self._metrics.of_namespace(*lapsed)
        add()

    def _ask(self, namespace: str, _: Sequence[Any], answer: list[Any], again: set[int]) -> None:
        metrics, word = self._metrics, answer[0]
        if word not in (b"assigned", b"wait", b"done") or again:
            return
        self._add(metrics.asks, namespace, word)
        if word == b"wait":
            self._add(metrics.waits, namespace, answer[2])
        elif word == b"assigned":
            for assignment in answer[4:]:
                self._add(metrics.assignments, namespace, assignment[_ASSIGNED_REASON])
                if isinstance(assignment[-1], list):  # lua/include/stock.lua
                    source, turn, *_ = why_of(assignment[-1:])[-1]
                    self._add(metrics.proposals, namespace, SOURCES[source], SOURCES[turn])

    def _told(self, namespace: str, _: Sequence[Any], answer: list[Any], again: set[int]) -> None:
        if answer[0] == b"told":
            for i, reply in enumerate(answer[2:]):
                if i not in again:
                    self._add(self._metrics.verdicts, namespace, reply[_DECISION], reply[_REASON])

    def _tell(self, namespace: str, args: Sequence[Any], answer: list[Any], again: set[int]) -> None:
        self._told(namespace, args, answer, again)
        if answer[0] != b"told":
            return
        key, taken, at = (self._metrics.results, namespace), 0, _ITEMS
        for i, reply in enumerate(answer[2:]):
            reports = args[at + _REPORTS]
            at += _ITEM_SIZE + 2 * reports
            if i not in again and reply[_DECISION] != b"superseded":
                taken += reports
        add = self._bound.get(key)
        if add is None:
            add = self._bound[key] = self._metrics.of_namespace(*key)
        add(taken)


def _word(stored: Words) -> str:
    if isinstance(stored, int):
        return WORDS[stored]
    return stored.decode() if isinstance(stored, bytes) else stored
