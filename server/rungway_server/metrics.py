"""Every metric of the service: its name, its help, and how it is counted.

Each child that a call needs is bound before the call, so that a call costs a few microseconds (docs/adr has the
figures). No label has a value that a caller can choose without limit: methods come from the descriptors, and a process
has so many namespaces and series of them; the rest is `_other`. Only what counts imports this module: with metrics off
it is never loaded.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

MOST_NAMESPACES = 100
MOST_SERIES = 1_500
"""Most series with a namespace, of all processes together."""
MOST_REASONS = 50
OTHER_NAMESPACE = "_other"
OTHER = "_OTHER"
"""A method or reason that is not known. Both words cannot be the name of one."""

_RPC_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SCRIPT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
_WAIT_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

Inc = Callable[..., None]


class Bound(NamedTuple):
    """What a call of one method that went well adds to."""

    ok: Inc
    seconds: Callable[[float], None]


class Few:
    """The first so many different values of a label; each further one counts as `other`."""

    def __init__(self, most: int, other: str) -> None:
        self._most, self._other = most, other
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        if value not in self._known:
            if len(self._known) >= self._most:
                return self._other
            self._known.add(value)
        return value


class Metrics:
    """The metrics of one process."""

    def __init__(self, version: str, methods: Iterable[str], *, processes: int = 1) -> None:
        """`methods`: every rpc, package.Service/Method. `processes`: how many share the bounds of series."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.namespace = Few(MOST_NAMESPACES, OTHER_NAMESPACE)
        self._series_left = MOST_SERIES // processes
        rpcs = self._counter("rungway_rpcs", "Calls that have ended.", "method", "transport", "code")
        seconds = self._histogram(
            "rungway_rpc_duration_seconds",
            "From a call's headers to its answer; calls with one answer.",
            _RPC_SECONDS,
            "method",
            "transport",
        )
        refusals = self._counter("rungway_refusals", "Calls refused, by the reason of the error.", "reason")
        ports = _PortMetrics(
            rpcs,
            seconds,
            refusals,
            self._gauge("rungway_rpcs_in_work", "Calls with one answer that are being served now.", "transport"),
            self._gauge("rungway_streams_open", "Streams that are open now.", "transport"),
            Few(MOST_REASONS, OTHER),
        )
        self.grpc, self.http = (Rpcs(ports, name, frozenset(methods)) for name in ("grpc", "http"))
        self._build_loop()
        self._build_redis()
        self._build_searches()
        self._build_webhooks()
        build = self._gauge("rungway_build_info", "1; the version is a label.", "version", mode="livemax")
        build.labels(version).set(1)

    def _build_loop(self) -> None:
        help_text = "How long HTTP requests that had to wait waited for their turn beside gRPC."
        self.turnstile_wait = self._histogram("rungway_turnstile_wait_seconds", help_text, _WAIT_SECONDS).observe
        help_text = "How late the event loop runs what is due, looked at 4 times a second."
        self.loop_lag = self._histogram("rungway_loop_lag_seconds", help_text, _LAG_SECONDS).observe

        self.asks_held = self._gauge("rungway_asks_held", "Asks that wait for work now, in place of an answer.").set
        self.view_watchers = self._gauge("rungway_view_watchers", "Streams that watch a view of a search.").set
        help_text = "Reading what has changed in a search, for all who watch it."
        self.view_refresh = self._histogram("rungway_view_refresh_seconds", help_text, _SCRIPT_SECONDS).observe

    def _build_redis(self) -> None:
        help_text = "From sending a script to its answer, waiting included."
        self._scripts = self._histogram("rungway_redis_script_seconds", help_text, _SCRIPT_SECONDS, "script")
        errors = self._counter("rungway_redis_errors", "Commands to Redis that failed.", "kind")
        self._redis_errors = {
            kind: errors.labels(kind).inc for kind in ("connection", "timeout", "full", "refused", "fault")
        }
        help_text = "1 while Redis answers and takes writes, else 0."
        self.redis_up = self._gauge("rungway_redis_up", help_text, mode="livemin").set
        self._commands = self._counter("rungway_redis_commands", "Commands sent to Redis.").inc
        self._writes = self._counter("rungway_redis_writes", "Writes to the connection that sent them.").inc

    def _build_searches(self) -> None:
        counter = self._counter
        self.asks = counter("rungway_asks", "Asks, by what they were answered.", "namespace", "status")
        self.waits = counter("rungway_waits", "Asks answered with WAIT.", "namespace", "reason")
        self.assignments = counter("rungway_assignments", "Trials handed out.", "namespace", "reason")
        help_text = "New trials of searches with several sources of configurations, by source and by whose turn it was."
        self.proposals = counter("rungway_proposals", help_text, "namespace", "source", "turn")
        help_text = "Decisions on results, releases and failures."
        self.verdicts = counter("rungway_verdicts", help_text, "namespace", "decision", "reason")
        self.results = counter("rungway_results", "Validation results taken.", "namespace")
        help_text = "Trials that will not be trained again."
        self.trials_ended = counter("rungway_trials_ended", help_text, "namespace", "state", "outcome")
        self.leases_lapsed = counter("rungway_leases_lapsed", "Leases taken back after their deadline.", "namespace")

    def _build_webhooks(self) -> None:
        help_text = "Webhooks: messages delivered or dropped, and attempts that failed."
        self._webhooks = self._counter("rungway_webhooks", help_text, "outcome")
        for outcome in ("delivered", "failed", "dropped"):
            self._webhooks.labels(outcome)  # at 0, so that a first one is seen
        help_text = "Messages that wait to be sent by webhook; 0 on servers that do not send now."
        self.webhooks_pending = self._gauge("rungway_webhooks_pending", help_text, mode="livesum").set

    def webhook_ended(self, outcome: str) -> None:
        """A message was "delivered" or "dropped", or an attempt "failed"."""
        self._webhooks.labels(outcome).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str, mode: Any = "livesum") -> Gauge:
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode=mode)

    def certificate_ends(self) -> Callable[[float], None]:
        """What takes the time when the service's certificate expires (seconds since the epoch)."""
        help_text = "When the certificate of the service expires (the first of its chain), in seconds since the epoch."
        return self._gauge("rungway_certificate_expires_timestamp_seconds", help_text, mode="livemin").set

    def of_namespace(self, family: Counter, namespace: str, *labels: str) -> Inc:
        """What adds to a counter for a namespace that `namespace` gave, or for `_other` once there are too many series.
        Keep it: each call of this counts as one series."""
        if namespace != OTHER_NAMESPACE:
            self._series_left -= 1
        return family.labels(namespace if self._series_left >= 0 else OTHER_NAMESPACE, *labels).inc

    def script(self, name: str) -> Callable[[float], None]:
        """What takes the seconds of one script of Redis."""
        return self._scripts.labels(name).observe

    def redis_failed(self, kind: str) -> None:
        """A command to Redis failed: "connection", "timeout", "full", "refused" (it cannot serve now) or "fault"."""
        self._redis_errors[kind]()

    def redis_wrote(self, commands: int) -> None:
        """So many commands left in one write."""
        self._commands(commands)
        self._writes()

    def note_now(self) -> None:
        """Set the gauges of what is going on now."""
        self.grpc.note_now()
        self.http.note_now()


class _PortMetrics(NamedTuple):
    rpcs: Counter
    seconds: Histogram
    refusals: Counter
    in_work: Gauge
    streams: Gauge
    reasons: Few


class Rpcs:
    """The calls of one port. `in_work` and `streams` are counted by who serves them."""

    def __init__(self, metrics: _PortMetrics, transport: str, methods: frozenset[str]) -> None:
        self._metrics, self._transport, self._methods = metrics, transport, methods
        self._in_work, self._streams = metrics.in_work.labels(transport), metrics.streams.labels(transport)
        self.in_work = self.streams = 0

    def bound(self, rpc: str) -> Bound:
        """The children for a method, to be kept."""
        method = self._method(rpc)
        ok = self._metrics.rpcs.labels(method, self._transport, "OK").inc
        self._metrics.rpcs.labels(method, self._transport, "INTERNAL")  # at 0, so that the alert sees the first one
        return Bound(ok, self._metrics.seconds.labels(method, self._transport).observe)

    def failed(self, rpc: str, code: str, reason: str = "") -> None:
        """A call ended with this status (the name of a gRPC code), and the reason of its error if it has one."""
        self._metrics.rpcs.labels(self._method(rpc), self._transport, code).inc()
        if reason:
            self._metrics.refusals.labels(self._metrics.reasons(reason)).inc()

    def note_now(self) -> None:
        """Set the gauges."""
        self._in_work.set(self.in_work)
        self._streams.set(self.streams)

    def _method(self, rpc: str) -> str:
        return rpc if rpc in self._methods else OTHER
