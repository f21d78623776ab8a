"""The arguments of `rungway convert`."""

from pathlib import Path
from typing import Annotated

import typer

from rungway_server.cli.options import Output, OutputOption


def convert(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Of W&B, Katib or NNI (YAML, JSON), or Python; '-' = standard input.")
    ],
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: standard output.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write a configuration from a file of W&B, Katib, NNI, Optuna or Ray Tune; Python is read, never run.

    What has no exact counterpart is named by its line, on standard error and in the file. Needs no service.
    """
    from rungway_server.cli.converting import convert

    convert(file, out, output)
