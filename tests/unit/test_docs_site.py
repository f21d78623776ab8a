"""The order of pages in the site of the documents."""

from pathlib import Path

import pytest

from scripts import docs_site


@pytest.fixture
def pages(tmp_path: Path) -> list[str]:
    return docs_site.copy_pages(tmp_path)


def test_a_newcomers_pages_come_first(pages: list[str]) -> None:
    assert tuple(page.removeprefix("docs/") for page in pages[: len(docs_site.FIRST)]) == docs_site.FIRST


def test_every_page_is_there_once(pages: list[str]) -> None:
    assert {"ARCHITECTURE", "docs/promises", "docs/adr/README"} <= set(pages)
    assert len(pages) == len(set(pages))
    assert pages.index("docs/promises") < pages.index("ARCHITECTURE") < pages.index("docs/adr/README")
