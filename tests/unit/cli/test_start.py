"""The command line starts quickly and offers every setting."""

import inspect
import subprocess
import sys

from rungway_server.cli.serve import _SETTINGS, serve
from rungway_server.settings import Settings
from tests.support.waiting import SECONDS


def test_nothing_heavy_is_imported_to_show_the_help() -> None:
    code = "import sys; import rungway_server.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True
    ).stdout.split()
    assert {"grpc", "google", "redis", "numpy", "pydantic", "structlog", "sklearn", "matplotlib"} & set(loaded) == set()


def test_serve_has_a_flag_for_every_setting() -> None:
    flags = inspect.signature(serve).parameters
    secret = {"webhook_secret"}  # others can read command lines
    assert {_SETTINGS.get(flag, flag) for flag in flags} == set(Settings.model_fields) - secret
