"""`make quality`: how good the searches are on recorded tables; with `--peers` beside other libraries on the same
tables, with `--train` by real training."""

import os
import sys

from rungway._local.processes import THREADS

for _name in THREADS:  # before numpy is imported, and for the libraries: threads that wait for each other spin
    os.environ.setdefault(_name, "1")


def main() -> None:
    """Hand the rest of the command line to the comparison that is meant."""
    arguments = sys.argv[1:]
    if "--train" in arguments:
        from loadtests.quality import training

        training.main([each for each in arguments if each != "--train"])
    elif "--peers" in arguments:
        from loadtests.quality import peers

        peers.main([each for each in arguments if each != "--peers"])
    else:
        from rungway_server.simulation import quality

        quality.main()


if __name__ == "__main__":
    main()
