"""`make quality`: how good the searches are on recorded tables; with `--peers` beside other libraries on the same
tables, with `--train` by real training."""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: processes share the cores


def main() -> None:
    """Hand the rest of the command line to the comparison that is meant."""
    arguments = sys.argv[1:]
    if "--train" in arguments:
        from loadtests.quality import training

        training.main([each for each in arguments if each != "--train"])
    else:
        from rungway_server.simulation import quality

        quality.main()


if __name__ == "__main__":
    main()
