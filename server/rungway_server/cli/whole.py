"""The class of all commands: integer options accept any spelling of an integer (3.0 is 3, and 1e3 is 1000), errors
know whether JSON is wanted, and `--namespace` in the wrong place is told where it belongs."""

from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand

from rungway_server.cli.options import OUTPUT, Output
from rungway_server.domain.documents.fields import whole_text

_NAMESPACE = "--namespace"


class Command(TyperCommand):
    """The class of all commands of `rungway`, so that it holds for every option and argument."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hints = get_type_hints(self.callback) if self.callback else {}
        for parameter in self.params:
            if hints.get(str(parameter.name)) in (int, int | None):
                _read_whole(parameter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Say where `--namespace` belongs, for commands of a service that have none of their own."""
        own = args[: args.index("--")] if "--" in args else args
        is_given = any(each.partition("=")[0] == _NAMESPACE for each in own)
        options = {option for parameter in self.params for option in parameter.opts}
        if is_given and _NAMESPACE not in options and "--target" in options:
            where = f"rungway {_NAMESPACE} NAME {self.name}"
            raise typer.BadParameter(f"{_NAMESPACE} stands before the command: {where}", ctx)
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        output = ctx.params.get("output")
        OUTPUT.set(Output(output) if output in {*Output} else None)
        return super().invoke(ctx)


def _read_whole(parameter: Any) -> None:
    """Make a parameter normalise its texts before they are parsed as integers."""
    read = parameter.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        return read(ctx, whole_text(value))

    parameter.process_value = process_value
