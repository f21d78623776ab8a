"""The files of the page: their headers, their sizes, and that they name no address elsewhere."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rungway_server.transport.http.pages import FILES, Pages
from rungway_server.transport.http.replies import Reply
from scripts import bundle_page, vendor_js

WEB = vendor_js.WEB
OWN = sorted(
    path
    for path in WEB.rglob("*")
    if path.suffix in (".js", ".css", ".html", ".svg") and path.parent.name not in ("vendor", "bundle")
)
LIBRARIES = sorted((WEB / "vendor").glob("*.js")) + sorted((WEB / "vendor").glob("*.css"))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages()


def found(pages: Pages, path: str, accept: bytes = b"") -> tuple[Reply, dict[str, str]]:
    reply = pages.find(path, accept)
    assert reply, path
    return reply, {name.decode(): value.decode() for name, value in reply.headers}


def named(pages: Pages) -> list[str]:
    """The paths that the page names."""
    text = found(pages, "/")[0].body.decode()
    return [f"/{path}" for path in re.findall(r'(?:src|href)="([^"]+)"', text)]


def test_every_file_has_the_policy_and_is_what_it_says(pages: Pages) -> None:
    for path in ["/", *named(pages)]:
        reply, headers = found(pages, path)
        assert headers["content-security-policy"] == POLICY
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        packed, packed_headers = found(pages, path, b"br, gzip")
        assert packed_headers["content-encoding"] == "gzip"
        assert headers["vary"] == packed_headers["vary"] == "accept-encoding"
        assert gzip.decompress(packed.body) == reply.body
        assert packed.content_type == reply.content_type


def test_the_page_is_asked_for_anew_and_its_files_are_kept_for_ever(pages: Pages) -> None:
    assert found(pages, "/")[1]["cache-control"] == "no-cache"
    assert len(named(pages)) == 3
    for path in named(pages):
        assert re.match(r"/static/[0-9a-f]{16}/", path)
        assert found(pages, path)[1]["cache-control"] == "public, max-age=31536000, immutable"


def test_another_version_and_other_files_are_not_there(pages: Pages) -> None:
    script = next(path for path in named(pages) if path.endswith("app.js"))
    names = ("index.html", "vendor.lock", "vendor/htm.LICENSE", "js/app.js", "bundle/../bundle/app.css")
    others = [script.replace("bundle/app.js", name) for name in names]
    for path in (re.sub("[0-9a-f]{16}", "0" * 16, script), *others, "/static/", "/index.html"):
        assert pages.find(path, b"") is None, path


def test_a_change_of_any_file_changes_all_addresses(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    for name in FILES:
        (tmp_path / name).write_text('<script src="{static}/bundle/app.js">')
    before = named(Pages(tmp_path))
    (tmp_path / "bundle" / "app.js").write_text("2")
    assert named(Pages(tmp_path)) != before


def test_the_page_is_small(pages: Pages) -> None:
    paths = ["/", *named(pages)]
    assert sum(len(found(pages, path)[0].body) for path in paths) < 250_000
    assert sum(len(found(pages, path, b"gzip")[0].body) for path in paths) < 80_000


def test_what_is_served_was_made_of_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundle_page.stale() == [], "run `make page`"
    monkeypatch.setattr(bundle_page, "OPTIONS", ())
    assert bundle_page.stale() == ["app.js", "app.css"]


def test_what_is_taken_of_others_is_what_the_lock_says() -> None:
    lock = json.loads(vendor_js.LOCK.read_text(encoding="utf-8"))
    assert lock.keys() == {package.name for package in vendor_js.PACKAGES}
    for package in vendor_js.PACKAGES:
        entry = lock[package.name]
        assert entry["files"].keys() == {name for _, name in package.files}
        assert any(name.endswith(".LICENSE") for name in entry["files"])
        for name, file in entry["files"].items():
            data = (package.folder / name).read_bytes()
            assert file["sha512"] == f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}", name
    known = {name for package in vendor_js.PACKAGES for _, name in package.files}
    assert {path.name for path in (WEB / "vendor").iterdir()} <= known


def test_imports_of_others_are_rewritten() -> None:
    top = "// @ts-nocheck\n"
    module = 'import{options as n}from"preact";x()\n//# sourceMappingURL=a.map'
    assert vendor_js.rewritten(module) == top + 'import{options as n}from"./preact.js";x()\n'
    assert vendor_js.rewritten('import a from "./b.js";') == top + 'import a from "./b.js";'
    with pytest.raises(KeyError):
        vendor_js.rewritten('import x from "left-pad"')


def test_libraries_are_small() -> None:
    assert sum(path.stat().st_size for path in LIBRARIES) <= 30_000


def test_our_files_name_no_address_and_make_no_code_of_text() -> None:
    assert len(OWN) > 20
    wrong = [f"{path.name}: {line}" for path in OWN for line in forbidden(path)]
    assert wrong == []


def forbidden(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    yield from re.findall(
        r"https?://\S+|//cdn\S*|\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|"
        r"dangerouslySet\w+|setTimeout\(\"|<style|style=\"|\son\w+=\"|<script>",
        text,
    )


def test_every_import_is_there_and_relative() -> None:
    for path in OWN:
        for name in re.findall(
            r"""(?m)(?:^import |^(?:import|export) .* from |\bimport\()"([^"]+)\"""", path.read_text(encoding="utf-8")
        ):
            assert name.startswith("."), (path.name, name)
            assert (path.parent / name).is_file(), (path.name, name)


def test_scripts_have_at_most_300_lines() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in OWN if path.suffix == ".js"}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}
