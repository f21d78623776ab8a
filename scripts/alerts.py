"""Writes deploy/prometheus/rungway.rules.yml, and the tests of its rules that promtool runs.

Each alert is a row below: its expression, how long it must hold, and two histories, one that raises it and one that
does not. docs/metrics.md has a heading for each, which the alert links. `make format` runs it. With `--check` it
changes nothing and fails if a file is out of date (`make lint`).
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "prometheus"
RULES, TESTS = FOLDER / "rungway.rules.yml", FOLDER / "rungway.rules_test.yml"
_ABOUT = "# Made by scripts/alerts.py: change it there.\n"

_TELL = 'method="rungway.v1.SearchService/Tell"'
_MINUTES = 60
"""Length of the histories; an alert is looked for at their end."""


@dataclass(frozen=True)
class Alert:
    """One alert. `raising` and `quiet` are series with values as promtool writes them; `labels` are those that the
    raised alert has beside its severity."""

    name: str
    expression: str
    holds: str
    severity: str
    summary: str
    raising: Mapping[str, str]
    quiet: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)


def _rate(name: str, per_minute: float, **labels: str) -> dict[str, str]:
    """A counter that grows so much in a minute."""
    return {_series(name, **labels): f"0+{per_minute:g}x{_MINUTES}"}


def _level(name: str, value: float, **labels: str) -> dict[str, str]:
    """A gauge that stays at a value."""
    return {_series(name, **labels): f"{value:g}x{_MINUTES}"}


def _series(name: str, **labels: str) -> str:
    shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{shown}}}" if shown else name


def _slow(name: str, fast: float, slow: float, bounds: tuple[str, str], **labels: str) -> dict[str, str]:
    """A histogram that gets so many fast and slow observations in a minute."""
    low, high = bounds
    found = _rate(f"{name}_bucket", fast, **labels, le=low)
    return (
        found
        | _rate(f"{name}_bucket", fast + slow, **labels, le=high)
        | _rate(f"{name}_bucket", fast + slow, **labels, le="+Inf")
    )


ALERTS = (
    Alert(
        "RungwayDown",
        'up{job="rungway"} == 0',
        "2m",
        "critical",
        "A server does not answer Prometheus.",
        _level("up", 0, job="rungway", instance="a"),
        _level("up", 1, job="rungway", instance="a"),
        {"job": "rungway", "instance": "a"},
    ),
    Alert(
        "RungwayStoreAway",
        "rungway_redis_up == 0",
        "1m",
        "critical",
        "A server cannot use its Redis: no call is answered.",
        _level("rungway_redis_up", 0, instance="a"),
        _level("rungway_redis_up", 1, instance="a"),
        {"instance": "a"},
    ),
    Alert(
        "RungwayInternalErrors",
        'sum by (method) (increase(rungway_rpcs_total{code="INTERNAL"}[5m])) > 0',
        "0m",
        "warning",
        "Calls ended with INTERNAL: a fault of the service.",
        _rate("rungway_rpcs_total", 1, method="m", transport="grpc", code="INTERNAL"),
        _rate("rungway_rpcs_total", 9, method="m", transport="grpc", code="OK"),
        {"method": "m"},
    ),
    Alert(
        "RungwaySlowTells",
        f"histogram_quantile(0.99, sum by (le) (rate(rungway_rpc_duration_seconds_bucket{{{_TELL}}}[5m]))) > 0.25",
        "10m",
        "warning",
        "One tell in a hundred takes more than 250 ms.",
        _slow("rungway_rpc_duration_seconds", 90, 10, ("0.25", "1.0"), method="rungway.v1.SearchService/Tell"),
        _slow("rungway_rpc_duration_seconds", 1000, 1, ("0.25", "1.0"), method="rungway.v1.SearchService/Tell"),
    ),
    Alert(
        "RungwayOverloaded",
        'sum(rate(rungway_refusals_total{reason="OVERLOADED"}[5m])) > 1',
        "5m",
        "warning",
        "Calls are refused because a server has as many in work as it accepts.",
        _rate("rungway_refusals_total", 120, reason="OVERLOADED"),
        _rate("rungway_refusals_total", 30, reason="OVERLOADED"),
    ),
    Alert(
        "RungwayLeasesLapse",
        "sum by (namespace) (increase(rungway_leases_lapsed_total[15m]))"
        " / sum by (namespace) (increase(rungway_assignments_total[15m])) > 0.2",
        "15m",
        "warning",
        "More than a fifth of the trials handed out were lost by their workers.",
        _rate("rungway_leases_lapsed_total", 3, namespace="n")
        | _rate("rungway_assignments_total", 10, namespace="n", reason="new_trial"),
        _rate("rungway_leases_lapsed_total", 1, namespace="n")
        | _rate("rungway_assignments_total", 10, namespace="n", reason="new_trial"),
        {"namespace": "n"},
    ),
    Alert(
        "RungwaySuperseded",
        'sum by (namespace) (increase(rungway_verdicts_total{decision="superseded"}[15m]))'
        " / sum by (namespace) (increase(rungway_verdicts_total[15m])) > 0.05",
        "15m",
        "warning",
        "More than one result in twenty came under a lease that had ended.",
        _rate("rungway_verdicts_total", 1, namespace="n", decision="superseded")
        | _rate("rungway_verdicts_total", 9, namespace="n", decision="continue"),
        _rate("rungway_verdicts_total", 1, namespace="n", decision="superseded")
        | _rate("rungway_verdicts_total", 99, namespace="n", decision="continue"),
        {"namespace": "n"},
    ),
    Alert(
        "RungwayNobodyWorks",
        'max by (namespace) (rungway_store_experiments{state="running"}) > 0'
        " and max by (namespace) (rungway_store_leases) == 0",
        "30m",
        "info",
        "A namespace has running searches, and no worker holds a trial of them.",
        _level("rungway_store_experiments", 2, namespace="n", state="running")
        | _level("rungway_store_leases", 0, namespace="n"),
        _level("rungway_store_experiments", 2, namespace="n", state="running")
        | _level("rungway_store_leases", 1, namespace="n"),
        {"namespace": "n"},
    ),
    Alert(
        "RungwayLoopLags",
        "histogram_quantile(0.9, sum by (instance, le) (rate(rungway_loop_lag_seconds_bucket[5m]))) > 0.1",
        "5m",
        "warning",
        "A server is late with all it does: its processor is full, or something blocks it.",
        _slow("rungway_loop_lag_seconds", 100, 100, ("0.1", "1.0"), instance="a"),
        _slow("rungway_loop_lag_seconds", 1000, 1, ("0.1", "1.0"), instance="a"),
        {"instance": "a"},
    ),
    Alert(
        "RungwayCertificateEnds",
        "rungway_certificate_expires_timestamp_seconds - time() < 7 * 86400",
        "1h",
        "warning",
        "A certificate of the service expires within a week and was not renewed.",
        _level("rungway_certificate_expires_timestamp_seconds", 86_400, instance="a"),
        _level("rungway_certificate_expires_timestamp_seconds", 9 * 86_400, instance="a"),
        {"instance": "a"},
    ),
)


def rules() -> dict[str, Any]:
    """The file of rules."""
    return {"groups": [{"name": "rungway", "rules": [_rule(alert) for alert in ALERTS]}]}


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.holds,
        "labels": {"severity": alert.severity},
        "annotations": _annotations(alert),
    }


def _annotations(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "runbook": f"docs/metrics.md#{alert.name.lower()}"}


def tests() -> dict[str, Any]:
    """The file of tests: two histories for each alert."""
    return {
        "rule_files": [RULES.name],
        "evaluation_interval": "1m",
        "tests": [_test(alert, raised=raised) for alert in ALERTS for raised in (True, False)],
    }


def _test(alert: Alert, *, raised: bool) -> dict[str, Any]:
    expected = {"exp_labels": {**alert.labels, "severity": alert.severity}, "exp_annotations": _annotations(alert)}
    series = alert.raising if raised else alert.quiet
    return {
        "name": f"{alert.name} {'is raised' if raised else 'stays quiet'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": f"{_MINUTES}m", "alertname": alert.name, "exp_alerts": [expected] if raised else []}
        ],
    }


def files() -> dict[Path, str]:
    """The text of each file."""
    return {
        path: _ABOUT + yaml.safe_dump(made, sort_keys=False, width=1_000)
        for path, made in ((RULES, rules()), (TESTS, tests()))
    }


def write(made: Mapping[Path, str], *, check: bool) -> int:
    """Write the files; with `check` only report those that are out of date. Returns the exit code."""
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.name} is out of date: make format")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(write(files(), check="--check" in sys.argv))
