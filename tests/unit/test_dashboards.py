"""Dashboards, alerts and docs/metrics.md name the metrics that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from rungway_server.metrics import Metrics
from rungway_server.store.redis.totals import Totals
from rungway_server.store_wide import ExperimentFamilies, of_namespaces
from scripts import alerts, grafana
from tests.support.waiting import SECONDS

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
_NAME = re.compile(r"\b(?:rungway|process)_[a-z_]+")
_PARTS = ("_bucket", "_count", "_sum")
_OF_PROCESSES = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}


def there_are() -> set[str]:
    """The names of all metrics, as they are written in queries."""
    metrics = Metrics("1.0", [])
    metrics.certificate_ends()
    families = [*metrics.registry.collect(), *of_namespaces(Totals()), *ExperimentFamilies().all()]
    return {f"{each.name}_total" if each.type == "counter" else each.name for each in families}


def named_in(text: str) -> set[str]:
    """The names of metrics in a text, without the parts of histograms."""
    found = set()
    for name in _NAME.findall(text):
        part = next((part for part in _PARTS if name.endswith(part)), "")
        found.add(name.removesuffix(part))
    return found


def test_the_page_has_every_metric() -> None:
    assert there_are() <= named_in(_PAGE.read_text())


def test_queries_name_metrics_that_there_are() -> None:
    queried = set[str]()
    for uid in grafana.DASHBOARDS:
        made = grafana.dashboard(uid)
        queries = [target["expr"] for panel in made["panels"] for target in panel.get("targets", ())]
        queried |= named_in("\n".join([*queries, json.dumps(made["templating"])]))
    for alert in alerts.ALERTS:
        queried |= named_in(alert.expression)
    assert queried <= there_are() | _OF_PROCESSES
    assert {name for name in there_are() if "experiment_" in name} <= queried


def test_every_alert_has_a_heading_in_the_page() -> None:
    headings = re.findall(r"^### (Rungway\w+)$", _PAGE.read_text(), re.MULTILINE)
    assert headings == [alert.name for alert in alerts.ALERTS]


def test_the_files_are_up_to_date() -> None:
    assert alerts.write(alerts.files() | grafana.files(), check=True) == 0


def promtool(folder: Path, *words: str) -> None:
    """Run it; fails if it does, and skips where there is none."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("there is no promtool here (Debian: prometheus)")
    ran = subprocess.run([found, *words], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    promtool(alerts.FOLDER, "check", "rules", alerts.RULES.name)
    promtool(alerts.FOLDER, "test", "rules", alerts.TESTS.name)


def test_promtool_reads_every_query_of_a_dashboard(tmp_path: Path) -> None:
    rules: list[dict[str, str]] = []
    for uid in grafana.DASHBOARDS:
        for panel in grafana.dashboard(uid)["panels"]:
            for target in panel.get("targets", ()):
                query = target["expr"].replace("$__rate_interval", "5m")
                rules.append({"record": f"query:{len(rules)}", "expr": query})
    assert len(rules) > 30
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool(tmp_path, "check", "rules", "rules.yml")
