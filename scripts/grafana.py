"""Writes the dashboards of deploy/grafana: one for who runs the service, one for who runs the searches.

A dashboard is rows of panels below; each panel is a title, a unit and its queries. `make format` runs it. With
`--check` it changes nothing and fails if a file is out of date (`make lint`).
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.alerts import write

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "grafana"
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT, _PER_ROW = 8, 8, 3
_J = 'job=~"$job"'
_N = f'{_J}, namespace=~"$namespace"'
_E = f'{_N}, experiment=~"$experiment"'


@dataclass(frozen=True)
class Panel:
    """One picture; `queries` are pairs of an expression and what its lines are called."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    about: str = ""
    stacked: bool = False
    least: int | None = 0
    """Where the axis begins; None = with the values."""


def _quantile(quantile: float, name: str, by: str, labels: str = _J) -> str:
    return f"histogram_quantile({quantile:g}, sum by (le, {by}) (rate({name}_bucket{{{labels}}}[$__rate_interval])))"


def _per_second(name: str, by: str, labels: str = _J) -> str:
    return f"sum by ({by}) (rate({name}{{{labels}}}[$__rate_interval]))"


OPERATOR: dict[str, Sequence[Panel]] = {
    "Calls": (
        Panel("Calls", "reqps", [(_per_second("rungway_rpcs_total", "method, transport"), "{{method}} {{transport}}")]),
        Panel(
            "Calls that failed",
            "reqps",
            [(_per_second("rungway_rpcs_total", "code, transport", f'{_J}, code!="OK"'), "{{code}} {{transport}}")],
        ),
        Panel(
            "Time of a call, 99 of 100",
            "s",
            [(_quantile(0.99, "rungway_rpc_duration_seconds", "method, transport"), "{{method}} {{transport}}")],
        ),
        Panel(
            "Refusals",
            "reqps",
            [(_per_second("rungway_refusals_total", "reason"), "{{reason}}")],
            "By the reason of the error: docs/errors.md.",
            stacked=True,
        ),
        Panel(
            "In work",
            "short",
            [
                (f"sum by (instance, transport) (rungway_rpcs_in_work{{{_J}}})", "{{instance}} {{transport}}"),
                (f"sum by (instance, transport) (rungway_streams_open{{{_J}}})", "{{instance}} streams {{transport}}"),
            ],
            "RUNGWAY_MAX_CONCURRENT_RPCS is the limit of each process; a quarter of it is for streams.",
        ),
        Panel(
            "HTTP's wait beside gRPC, 99 of 100",
            "s",
            [(_quantile(0.99, "rungway_turnstile_wait_seconds", "instance"), "{{instance}}")],
        ),
    ),
    "Redis": (
        Panel("Redis", "short", [(f"min by (instance) (rungway_redis_up{{{_J}}})", "{{instance}}")], "1 = it is used."),
        Panel(
            "Time of a script, 99 of 100",
            "s",
            [(_quantile(0.99, "rungway_redis_script_seconds", "script"), "{{script}}")],
        ),
        Panel(
            "Scripts",
            "ops",
            [(_per_second("rungway_redis_script_seconds_count", "script"), "{{script}}")],
            stacked=True,
        ),
        Panel(
            "Commands per write",
            "short",
            [
                (
                    f"{_per_second('rungway_redis_commands_total', 'instance')}"
                    f" / {_per_second('rungway_redis_writes_total', 'instance')}",
                    "{{instance}}",
                )
            ],
        ),
        Panel("Errors of Redis", "ops", [(_per_second("rungway_redis_errors_total", "kind"), "{{kind}}")]),
    ),
    "Watching": (
        Panel("Watchers", "short", [(f"sum by (instance) (rungway_view_watchers{{{_J}}})", "{{instance}}")]),
        Panel("Asks held", "short", [(f"sum by (instance) (rungway_asks_held{{{_J}}})", "{{instance}}")]),
        Panel(
            "Refresh of a view, 99 of 100",
            "s",
            [(_quantile(0.99, "rungway_view_refresh_seconds", "instance"), "{{instance}}")],
        ),
    ),
    "Leases": (
        Panel(
            "Leases", "short", [(f"max by (namespace) (rungway_store_leases{{{_J}}})", "{{namespace}}")], stacked=True
        ),
        Panel("Leases that lapse", "ops", [(_per_second("rungway_leases_lapsed_total", "namespace"), "{{namespace}}")]),
        Panel(
            "Searches",
            "short",
            [(f"sum by (state) (max by (namespace, state) (rungway_store_experiments{{{_J}}}))", "{{state}}")],
        ),
    ),
    "Processes": (
        Panel(
            "Processor",
            "percentunit",
            [(f"rate(process_cpu_seconds_total{{{_J}}}[$__rate_interval])", "{{instance}} {{pid}}")],
        ),
        Panel("Memory", "bytes", [(f"process_resident_memory_bytes{{{_J}}}", "{{instance}} {{pid}}")]),
        Panel(
            "Loop lag, 99 of 100",
            "s",
            [(_quantile(0.99, "rungway_loop_lag_seconds", "instance"), "{{instance}}")],
        ),
        Panel("Open files", "short", [(f"process_open_fds{{{_J}}}", "{{instance}} {{pid}}")]),
        Panel("Versions", "short", [(f"count by (version) (rungway_build_info{{{_J}}})", "{{version}}")]),
        Panel(
            "Days until a certificate expires",
            "d",
            [(f"(rungway_certificate_expires_timestamp_seconds{{{_J}}} - time()) / 86400", "{{instance}}")],
        ),
    ),
}

SEARCHES: dict[str, Sequence[Panel]] = {
    "Searches": (
        Panel(
            "Running searches",
            "short",
            [(f'max by (namespace) (rungway_store_experiments{{{_N}, state="running"}})', "{{namespace}}")],
        ),
        Panel(
            "Progress",
            "percentunit",
            [(f"max by (namespace, experiment) (rungway_experiment_progress_ratio{{{_E}}})", "{{experiment}}")],
            "Of the newest searches that run: rungway serve --metrics-experiments N.",
        ),
        Panel(
            "Best metric",
            "short",
            [(f"max by (namespace, experiment) (rungway_experiment_best_metric{{{_E}}})", "{{experiment}}")],
            least=None,
        ),
        Panel(
            "Trained length",
            "short",
            [(f"max by (namespace, experiment) (rungway_experiment_trained_length{{{_E}}})", "{{experiment}}")],
            "Of all trials together, in the unit of the search.",
        ),
        Panel(
            "Results of each rung",
            "short",
            [
                (
                    f"max by (experiment, bracket, rung) (rungway_experiment_rung_results{{{_E}}})",
                    "{{experiment}} bracket {{bracket}} rung {{rung}}",
                )
            ],
        ),
        Panel(
            "Promoted from each rung",
            "short",
            [
                (
                    f"max by (experiment, bracket, rung) (rungway_experiment_rung_passed{{{_E}}})",
                    "{{experiment}} bracket {{bracket}} rung {{rung}}",
                )
            ],
        ),
    ),
    "Work": (
        Panel(
            "Leases", "short", [(f"max by (namespace) (rungway_store_leases{{{_N}}})", "{{namespace}}")], stacked=True
        ),
        Panel(
            "Leases of searches",
            "short",
            [(f"max by (namespace, experiment) (rungway_experiment_leases{{{_E}}})", "{{experiment}}")],
        ),
        Panel(
            "Who waits for what",
            "ops",
            [(_per_second("rungway_waits_total", "namespace, reason", _N), "{{namespace}} {{reason}}")],
        ),
        Panel(
            "Trials handed out",
            "ops",
            [(_per_second("rungway_assignments_total", "reason", _N), "{{reason}}")],
            stacked=True,
        ),
        Panel("Results", "ops", [(_per_second("rungway_results_total", "namespace", _N), "{{namespace}}")]),
        Panel(
            "Decisions",
            "ops",
            [(_per_second("rungway_verdicts_total", "decision, reason", _N), "{{decision}} {{reason}}")],
            stacked=True,
        ),
    ),
    "Trials": (
        Panel(
            "Trials",
            "short",
            [(f"sum by (state) (max by (namespace, state) (rungway_store_trials{{{_N}}}))", "{{state}}")],
            stacked=True,
        ),
        Panel(
            "Trials that ended",
            "ops",
            [(_per_second("rungway_trials_ended_total", "state, outcome", _N), "{{state}} {{outcome}}")],
        ),
        Panel(
            "Lost by their workers, of all handed out",
            "percentunit",
            [
                (
                    f"{_per_second('rungway_leases_lapsed_total', 'namespace', _N)}"
                    f" / {_per_second('rungway_assignments_total', 'namespace', _N)}",
                    "{{namespace}}",
                )
            ],
        ),
    ),
}

DASHBOARDS = {
    "rungway-operator": ("Rungway: the service", OPERATOR, {"job": "rungway_build_info"}),
    "rungway-searches": (
        "Rungway: searches",
        SEARCHES,
        {"job": "rungway_build_info", "namespace": "rungway_store_leases", "experiment": "rungway_experiment_leases"},
    ),
}


def dashboard(uid: str) -> dict[str, Any]:
    """One dashboard as Grafana imports it."""
    title, rows, variables = DASHBOARDS[uid]
    panels: list[dict[str, Any]] = []
    y = 0
    for row, shown in rows.items():
        panels.append({"id": len(panels) + 1, "type": "row", "title": row, "gridPos": _place(0, y, 24, 1)})
        y += 1
        for number, panel in enumerate(shown):
            x, down = number % _PER_ROW * _WIDTH, number // _PER_ROW * _HEIGHT
            panels.append(_panel(panel, len(panels) + 1, x, y + down))
        y += -(-len(shown) // _PER_ROW) * _HEIGHT
    return {
        "uid": uid,
        "title": title,
        "tags": ["rungway"],
        "schemaVersion": 39,
        "editable": True,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [_source(), *(_variable(name, metric) for name, metric in variables.items())]},
        "panels": panels,
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    stacking = {"mode": "normal" if panel.stacked else "none"}
    custom = {"fillOpacity": 20 if panel.stacked else 0, "showPoints": "never", "stacking": stacking}
    defaults: dict[str, Any] = {"unit": panel.unit, "custom": custom}
    if panel.least is not None:
        defaults["min"] = panel.least
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": _place(x, y, _WIDTH, _HEIGHT),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for i, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _variable(name: str, metric: str) -> dict[str, Any]:
    query = f"label_values({metric}, {name})"
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def files() -> dict[Path, str]:
    """The text of each file."""
    return {FOLDER / f"{uid}.json": json.dumps(dashboard(uid), indent=2) + "\n" for uid in DASHBOARDS}


if __name__ == "__main__":
    sys.exit(write(files(), check="--check" in sys.argv))
