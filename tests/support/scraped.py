"""Reads a page of metrics as Prometheus does."""

import urllib.request
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, tuple[str, ...]]
"""The name of a sample, and the values of its labels in the order of their names."""


def page(address: str, token: str = "", path: str = "/metrics") -> str:
    """The text of the page. Raises HTTPError."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=100) as answer:
        text: str = answer.read().decode()
        return text


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The values by name of the sample and values of its labels, in the order of the labels' names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def of_namespace(text: str, name: str, namespace: str) -> Counter[tuple[str, ...]]:
    """The values of a family with a label `namespace`, by the other labels in order of their names; without zeros."""
    found: Counter[tuple[str, ...]] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels["namespace"] == namespace and sample.value:
                others = tuple(value for label, value in sorted(sample.labels.items()) if label != "namespace")
                found[others] = int(sample.value)
    return found
