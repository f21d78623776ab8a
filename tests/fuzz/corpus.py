"""Every configuration that was ever answered wrongly: kept in `corpus.json`, and sent again by `make test`."""

import json
from pathlib import Path
from typing import Any

CORPUS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("corpus.json").read_text(encoding="utf-8"))


def line_for_corpus(document: object) -> str:
    """What to append to the corpus when a configuration was found."""
    return f"to be added to tests/fuzz/corpus.json: {json.dumps({'found': '…', 'config': document})}"
