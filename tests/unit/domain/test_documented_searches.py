"""The searches in docs/searchers.md can be planned as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rungway_server.domain.search.config import SearcherName
from rungway_server.service.experiments import plan_search

TEXT = (Path(__file__).parents[3] / "docs" / "searchers.md").read_text(encoding="utf-8")
DOCUMENTS: list[dict[str, Any]] = [
    document for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) for document in yaml.safe_load_all(block)
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["searcher"]["name"])
def test_an_example_is_a_search(document: dict[str, Any]) -> None:
    lr = {"type": "log_uniform", "minval": 1e-5, "maxval": 0.1}
    assert plan_search({"hyperparameters": {"lr": lr}, **document}).plan.max_trials > 0


def test_there_is_one_of_each() -> None:
    names = {document["searcher"]["name"] for document in DOCUMENTS}
    assert names == {"bohb", *(name.value for name in SearcherName)}


@pytest.mark.parametrize("lengths", ["1, 3, 9, 27, 81", "2, 6, 18, 54, 100"])
def test_the_lengths_beside_them_are_theirs(lengths: str) -> None:
    (line,) = re.findall(rf"^(searcher: .*)  # {lengths}$", TEXT, re.MULTILINE)
    (bracket,) = plan_search(yaml.safe_load(line)).plan.brackets
    assert ", ".join(str(rung.length) for rung in bracket.rungs) == lengths
