"""The client of the commands, with shorter timeouts than a worker's. Token and TLS come from the environment, because
other users of the host can read command lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from rungway import AsyncClient, Client, ClientConfig, InvalidArgument
from rungway_server.cli.options import NAMESPACE, Exit
from rungway_server.cli.output import errors, fail

ATTEMPT_SECONDS = 3.0
TOTAL_SECONDS = 4.0
OUTAGE_SECONDS = 60.0
"""How long a command that follows a search waits for a service that is away; the same as in the SDK."""

_Client = TypeVar("_Client", Client, AsyncClient)


@contextmanager
def service(target: str, experiment: str = "") -> Iterator[Client]:
    """A client for one command; an error inside ends the command with one message and an exit code."""
    client = make(Client, target, experiment)
    with errors(target), client:
        yield client


def make(kind: type[_Client], target: str, experiment: str, *, total_timeout: float = TOTAL_SECONDS) -> _Client:
    """A client of this class. Wrong settings in the environment end the command."""
    try:
        config = ClientConfig(
            target=target, experiment=experiment, attempt_timeout=ATTEMPT_SECONDS, total_timeout=total_timeout
        )
        return kind(config=replace(config, namespace=NAMESPACE.get() or config.namespace))
    except InvalidArgument as error:
        raise fail(Exit.USAGE, str(error)) from None
