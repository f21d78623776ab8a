"""`rungway whoami`: in which namespace and role the service takes calls."""

from rungway_server.cli.connection import service
from rungway_server.cli.options import Output
from rungway_server.cli.output import console, plain, print_json, text


def whoami(target: str, output: Output) -> None:
    """Print who the caller is for the service."""
    with service(target) as client:
        caller = client.get_caller()
    if output is Output.JSON:
        print_json({"target": target, **plain(caller)})
        return
    by = "by its token" if caller.tokens else "without a token: the service wants none"
    of = " of every namespace" if caller.every_namespace and caller.tokens else ""
    out = console()
    out.print(text(f"{caller.role}{of} in the namespace {caller.namespace}, {by}"), soft_wrap=True)
    out.print(text(f"{target}, version {caller.version}"), soft_wrap=True)
