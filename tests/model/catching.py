"""Which game shows which seeded mistake.

`caught_by.json` names one for each, which is tried first: it saves time, and the others are played if it shows nothing
any more. `make mutants` looks for one for each new mistake, and for those whose game shows nothing any more.
"""

import json
import time
from contextlib import suppress
from pathlib import Path

from redis import ResponseError

from rungway_server.store.redis import RedisStore
from tests.model.driver import Workbench, open_workbench
from tests.model.examples import EXAMPLES
from tests.model.hand import Example
from tests.model.mutants import MUTANTS, Mutant
from tests.model.pair import Differs
from tests.support.redis_server import redis_on_socket

FILE = Path(__file__).with_name("caught_by.json")


def caught_by() -> dict[str, str]:
    """The name of a game for the name of each mutant."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def known_first(games: list[Example], known: str | None) -> list[Example]:
    """The games, the one of this name before the others."""
    return sorted(games, key=lambda play: play.__name__ != known)


class Games:
    """The games worked by hand, on one Redis."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._sound: dict[str, bool] = {}

    def catching(
        self, mutant: Mutant, games: list[Example], ignored: tuple[type[Exception], ...] = ()
    ) -> Example | None:
        """The first of the games that comes out otherwise than in the model, and only with the mistake; games that end
        with an error of the ignored kinds do not count."""
        store = self._workbench.new_store(mutant.transform)
        for play in games:
            with suppress(*ignored):
                if self.differs(play, store) and self.is_sound(play):
                    return play
        return None

    def is_sound(self, play: Example) -> bool:
        """Whether the true scripts agree with the model: only such a game can tell a mistake from the truth."""
        if play.__name__ not in self._sound:
            self._sound[play.__name__] = not self.differs(play, self._workbench.store)
        return self._sound[play.__name__]

    def differs(self, play: Example, store: RedisStore) -> bool:
        """Whether store and model come apart in a game. Any other error, such as one of Lua itself, is raised."""
        try:
            play(lambda plan, **options: self._workbench.start(plan, store=store, **options))
        except Differs:
            return True
        return False

    def quickest_first(self) -> list[Example]:
        """All games, by the time that they take."""
        took = {}
        for play in EXAMPLES:
            began = time.process_time()
            self.differs(play, self._workbench.store)
            took[play.__name__] = time.process_time() - began
        return sorted(EXAMPLES, key=lambda play: took[play.__name__])


def main() -> None:
    """Write the file: a known game that still shows its mistake stays, else it is the quickest that does. Fails with
    the name of a mutant that no game catches."""
    known, found = caught_by(), {}
    with redis_on_socket() as url, open_workbench(url) as workbench:
        games = Games(workbench)
        in_order = games.quickest_first()
        for mutant in MUTANTS:
            play = games.catching(mutant, known_first(in_order, known.get(mutant.name)), (ResponseError,))
            if play is None:
                raise SystemExit(f"no game catches the mutant {mutant.name!r}")
            found[mutant.name] = play.__name__
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{len(found)} mistakes are caught by {len(set(found.values()))} of {len(EXAMPLES)} games")


if __name__ == "__main__":
    main()
