"""The class of all commands: integer options accept any spelling of an integer (3.0 is 3, and 1e3 is 1000), and errors
know whether JSON is wanted."""

from typing import Any, get_type_hints

from typer.core import TyperCommand

from rungway_server.cli.options import OUTPUT
from rungway_server.domain.documents.fields import whole_text


class Command(TyperCommand):
    """The class of all commands of `rungway`, so that it holds for every option and argument."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hints = get_type_hints(self.callback) if self.callback else {}
        for parameter in self.params:
            if hints.get(str(parameter.name)) in (int, int | None):
                _read_whole(parameter)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        OUTPUT.set(ctx.params.get("output"))
        return super().invoke(ctx)


def _read_whole(parameter: Any) -> None:
    """Make a parameter normalise its texts before they are parsed as integers."""
    read = parameter.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        return read(ctx, whole_text(value))

    parameter.process_value = process_value
