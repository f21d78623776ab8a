"""Commands whose integer options take every spelling of a whole number: 3.0 is 3, and 1e3 is 1000."""

from typing import Any, get_type_hints

from typer.core import TyperCommand

from rungway_server.domain.documents.fields import whole_text


class Command(TyperCommand):
    """A command of `rungway`: all of them are of this class, so that no option or argument is left out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hints = get_type_hints(self.callback) if self.callback else {}
        for parameter in self.params:
            if hints.get(str(parameter.name)) in (int, int | None):
                _read_whole(parameter)


def _read_whole(parameter: Any) -> None:
    """Have the texts of a parameter put in the form that integers are read from."""
    read = parameter.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        return read(ctx, whole_text(value))

    parameter.process_value = process_value
