"""`rungway convert`: a configuration made of the file of another tool."""

from pathlib import Path

from rungway_server.cli.drawing import writing
from rungway_server.cli.files import file_name, read_text
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import console, errors, fail, print_json, text
from rungway_server.convert.convert import convert as converted
from rungway_server.convert.draft import CannotConvert
from rungway_server.domain.documents.text import BadDocument


def convert(file: Path, out: Path | None, output: Output) -> None:
    """Write the configuration, and to standard error what has no counterpart. Refused where the result is not valid."""
    name = file_name(file)
    with errors():
        content = read_text(file)
        try:
            found = converted(content, name, lambda other: read_text(file.parent / other))
        except (CannotConvert, BadDocument) as error:
            raise fail(Exit.USAGE, f"{name}: {error}") from None
    if out:
        with writing(out):
            out.write_text(found.text, encoding="utf-8")
    if output is Output.JSON:
        print_json({"tool": found.tool.name.lower(), "config": found.config, "gaps": found.gaps, "text": found.text})
    else:
        if not out:
            print(found.text, end="")
        complaints = console(stderr=True)
        for gap in found.gaps:
            complaints.print(text(f"{name}:{gap.line}: {gap.what}"), soft_wrap=True)
    if found.refused:
        lines = [f"{each.field}: {each.description}" for each in found.refused]
        raise fail(Exit.REFUSED, "the result is not complete yet", lines)
