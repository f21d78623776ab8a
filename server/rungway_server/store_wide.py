"""The metrics that are read of the store when they are asked for, and so are the same from every server."""

import asyncio
import time
from collections.abc import Iterator

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rungway_server.domain.errors import RungwayError
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.metrics import MOST_NAMESPACES, OTHER_NAMESPACE
from rungway_server.service.port import ExperimentRef, Store
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.totals import NamespaceTotals, Totals, read_totals

_FRESH_SECONDS = 15.0
_MOST_BUSY = 20
"""Reading the store again waits so many times as long as it took, however often it is asked for."""
_KEPT_SECONDS = 600.0
"""How long the metrics of an experiment stay after its end."""

_log = structlog.get_logger()


class StoreWide(Collector):
    """Reads at most every 15 seconds, and only while somebody asks."""

    def __init__(self, router: Router, store: Store, most_experiments: int) -> None:
        """`most_experiments`: how many running experiments have metrics of their own, the newest."""
        self._router, self._store, self._most = router, store, most_experiments
        self._families: list[Metric] = []
        self._next = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._followed: dict[ExperimentRef, float] = {}  # until when
        self._problem = ""

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        yield from self._families

    async def refresh(self, wait_seconds: float) -> None:
        """Read the store if it is time; returns once it is read, or after `wait_seconds`."""
        if self._reading is None and time.monotonic() >= self._next:
            self._reading = asyncio.ensure_future(self._read())
        if self._reading:
            await asyncio.wait([self._reading], timeout=wait_seconds)

    async def _read(self) -> None:
        began = time.monotonic()
        try:
            totals = await read_totals(self._router)
            self._families = of_namespaces(totals) + await self._of_experiments(totals)
            self._problem = ""
        except RungwayError as error:
            self._families = []  # rather none than old ones
            if str(error) != self._problem:
                self._problem = str(error)
                _log.warning("store_metrics_missing", error=self._problem)
        finally:
            now = time.monotonic()
            self._next = now + max(_FRESH_SECONDS, _MOST_BUSY * (now - began))
            self._reading = None

    async def _of_experiments(self, totals: Totals) -> list[Metric]:
        now = time.monotonic()
        newest = sorted(totals.running, reverse=True)[: self._most]
        self._followed |= {ref: now + _KEPT_SECONDS for _, ref in newest}
        self._followed = {ref: until for ref, until in self._followed.items() if until > now}
        families = ExperimentFamilies()
        for ref in sorted(self._followed, key=self._followed.__getitem__)[-2 * self._most :]:
            try:
                await self._add(families, ref)
            except RungwayError:  # deleted meanwhile, or of another version
                self._followed.pop(ref, None)
        return families.all() if self._most else []

    async def _add(self, families: "ExperimentFamilies", ref: ExperimentRef) -> None:
        brief, progress = await self._store.brief(ref)
        best = await self._store.best(ref, 1)
        labels = [ref.namespace, ref.experiment]
        families.progress.add_metric(labels, fraction_done(brief.plan, progress))
        families.trained.add_metric(labels, progress.trained_length)
        families.leases.add_metric(labels, sum(progress.running))
        if best and best[0].best_metric is not None:
            families.best.add_metric(labels, best[0].best_metric)
        for b, (results, passed) in enumerate(zip(progress.rung_results, progress.rung_promoted, strict=True)):
            for k, (count, on) in enumerate(zip(results, passed, strict=True)):
                families.results.add_metric([*labels, str(b), str(k)], count)
                families.passed.add_metric([*labels, str(b), str(k)], on)


class ExperimentFamilies:
    """One experiment is two labels, so these are only there where they are asked for."""

    def __init__(self) -> None:
        labels, rung = ["namespace", "experiment"], ["namespace", "experiment", "bracket", "rung"]

        def gauge(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"rungway_experiment_{name}", text, labels=labels)

        self.progress = gauge("progress_ratio", "How much of the search is done, from 0 to 1.", labels)
        self.best = gauge("best_metric", "The best metric so far.", labels)
        self.trained = gauge("trained_length", "Length trained by all trials, in the unit of the search.", labels)
        self.leases = gauge("leases", "Trials that workers hold.", labels)
        self.results = gauge("rung_results", "Results of a rung.", rung)
        self.passed = gauge("rung_passed", "Results of a rung that were promoted.", rung)

    def all(self) -> list[Metric]:
        """Every family."""
        return [self.progress, self.best, self.trained, self.leases, self.results, self.passed]


def of_namespaces(totals: Totals) -> list[Metric]:
    """The families of what the namespaces have; at most 12 series of each, and of `_other`."""
    experiments = GaugeMetricFamily(
        "rungway_store_experiments", "Experiments stored. The same from every server.", labels=["namespace", "state"]
    )
    trials = GaugeMetricFamily(
        "rungway_store_trials", "Trials stored. The same from every server.", labels=["namespace", "state"]
    )
    leases = GaugeMetricFamily(
        "rungway_store_leases", "Trials that workers hold. The same from every server.", labels=["namespace"]
    )
    for namespace, found in _few(totals.namespaces).items():
        for state, count in found.experiments.items():
            experiments.add_metric([namespace, state], count)
        for state, count in found.trials.items():
            trials.add_metric([namespace, state], count)
        leases.add_metric([namespace], found.leases)
    return [experiments, trials, leases]


def _few(namespaces: dict[str, NamespaceTotals]) -> dict[str, NamespaceTotals]:
    """The namespaces with most trials; the others together. Every server chooses the same."""
    ranked = sorted(namespaces, key=lambda name: (-namespaces[name].trials.total(), name))
    few = {name: namespaces[name] for name in ranked[:MOST_NAMESPACES]}
    for name in ranked[MOST_NAMESPACES:]:
        other, found = few.setdefault(OTHER_NAMESPACE, NamespaceTotals()), namespaces[name]
        other.experiments += found.experiments
        other.trials += found.trials
        other.leases += found.leases
    return few
