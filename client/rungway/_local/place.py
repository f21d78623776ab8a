"""Where a search runs: at the service that is named, or at one of this machine alone, started for it."""

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rungway._core.config import ClientConfig, named_target
from rungway._core.enums import Reason
from rungway._core.environment import CLIENT_VARIABLES
from rungway._core.errors import InvalidArgument
from rungway._local.processes import Service, require_service
from rungway._sync.client import Client
from rungway.models.experiments import Experiment


@dataclass(frozen=True, slots=True)
class Place:
    """A service that answers."""

    config: ClientConfig
    """How a client of this process reaches it."""
    environment: dict[str, str]
    """How processes of the search reach it: variables RUNGWAY_…, and no others of them."""
    page: str = ""
    """The URL of its page; empty for a service that was there before."""
    service: Service | None = None
    """The process of a service that was started for the search."""

    def check(self) -> None:
        """Raises ServiceFailed when the service that was started has ended."""
        if self.service is not None:
            self.service.check()


@dataclass
class _Started:
    """A service that this process has started, and how many use it now."""

    service: Service
    address: str
    page: str
    users: int = 0
    stack: ExitStack = field(default_factory=ExitStack)


_started: dict[Path | None, _Started] = {}
"""By the folder of the store. Only one service can have a folder, and a process may have several searches at once."""
_lock = threading.Lock()


@contextmanager
def place(experiment: str, target: str | None, data: Path | None) -> Iterator[Place]:
    """The service at `target`, else at RUNGWAY_TARGET, else one with its store in the folder `data` (by default that of
    `rungway serve`), stopped at the end.

    Raises FailedPrecondition (NO_LOCAL_SERVICE), ServiceFailed, and InvalidArgument for wrong settings.
    """
    if target := named_target(target):
        if data is not None:
            raise InvalidArgument.one("data", f"got {str(data)!r} beside the target {target!r}: give one of them")
        inherited = {name: value for name, value in os.environ.items() if name in CLIENT_VARIABLES}
        ours = {"RUNGWAY_TARGET": target, "RUNGWAY_EXPERIMENT": experiment}
        yield Place(ClientConfig(target=target, experiment=experiment), inherited | ours)
        return
    require_service()
    with _local(data) as there:
        yield Place(
            _plain_config(there.address, experiment),
            {"RUNGWAY_TARGET": there.address, "RUNGWAY_EXPERIMENT": experiment},
            there.page,
            there.service,
        )


@contextmanager
def _local(data: Path | None) -> Iterator[_Started]:
    """The service of this process with its store in this folder, stopped when nobody here uses it any more."""
    with _lock:
        there = _started.get(data) or _start(data)
        _started[data] = there
        there.users += 1
    try:
        yield there
    finally:
        with _lock:  # while it stops, nobody can start another one with this folder
            there.users -= 1
            if not there.users:
                del _started[data]
                there.stack.close()


def _start(data: Path | None) -> _Started:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rungway-")))
        service = Service(folder, data)
        stack.callback(service.stop)
        return _Started(service, *service.wait_ready(), stack=stack.pop_all())


def _plain_config(target: str, experiment: str) -> ClientConfig:
    """Settings for a service of this machine, whatever the environment says of another one."""
    return ClientConfig(
        target=target,
        experiment=experiment,
        token="",
        namespace="",
        tls=None,
        tls_ca="",
        tls_cert="",
        tls_key="",
        tls_server_name="",
        insecure=False,
    )


def open_search(client: Client, name: str, config: Mapping[str, object]) -> Experiment:
    """Create the search, or go on with the one of this name and configuration; one that has paused itself is resumed.

    Raises ConfigDiffers, and InvalidArgument with every wrong field.
    """
    there = client.create_experiment(name, config, exist_ok=True)
    if there.reason is Reason.FAILING:
        return client.resume_experiment(name)
    return there
