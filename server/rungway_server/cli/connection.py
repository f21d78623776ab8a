"""The client of the commands: less patient than a worker's. Token and TLS come from the environment: whatever is in a
command line, other users of the host can read."""

from collections.abc import Iterator
from contextlib import contextmanager

from rungway import Client, ClientConfig, InvalidArgument
from rungway_server.cli.options import Exit
from rungway_server.cli.output import errors, fail

ATTEMPT_SECONDS = 3.0
TOTAL_SECONDS = 4.0


@contextmanager
def service(target: str, experiment: str = "") -> Iterator[Client]:
    """A client for one command; what goes wrong inside ends the command with one block of text and an exit code."""
    try:
        config = ClientConfig(
            target=target, experiment=experiment, attempt_timeout=ATTEMPT_SECONDS, total_timeout=TOTAL_SECONDS
        )
        client = Client(config=config)
    except InvalidArgument as error:
        raise fail(Exit.USAGE, str(error)) from None
    with errors(target), client:
        yield client
