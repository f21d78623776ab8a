"""Follows a search and keeps proposals in its stock, until the search is over.

All that is known is asked of the service: how many proposals wait, the number of the next one, and the results. So it
may be killed at any moment and started anywhere; of two that propose the same number the service keeps the first one.
Workers never wait for it: where the stock is empty, the search's own sampler steps in.
"""

import threading
from collections.abc import Callable

from rungway import Client, DeadlineExceeded, Experiment, FailedPrecondition, NotFound, OutcomeUnknown, Unavailable
from rungway._core.enums import OVER
from rungway_server.proposers.library import Proposer
from rungway_server.proposers.seen import Seen

FEWEST, MOST = 4, 256
"""Proposals that are kept in stock at least, and at most."""


class Follower:
    """One search and one library. `say` is called with a line whenever the service has to be waited for, and when it is
    there again; `stop` ends the work after the proposals under way."""

    def __init__(
        self, client: Client, name: str, proposer: Proposer, say: Callable[[str], None], stop: threading.Event
    ) -> None:
        """Raises NotFound, and InvalidArgument for a search that takes no proposals from elsewhere."""
        self._client, self._name, self._proposer, self._say, self._stop = client, name, proposer, say, stop
        self._experiment = client.get_experiment(name)
        self._seen, self._cursor = Seen(self._experiment), ""
        self._used, self._away = 0, False
        self.proposed = 0
        """How many it has proposed."""

    def follow(self, every: float) -> bool:
        """Look every so many seconds. Returns whether the search is over; False after `stop`. Raises NotFound when it
        was deleted, also where another one has its name by now."""
        while not self._stop.is_set():
            try:
                if self.round():
                    return True
                if self._away:
                    self._say("the service is there again")
                self._away = False
            except (Unavailable, OutcomeUnknown, DeadlineExceeded) as error:
                if not self._away:
                    self._say(f"waiting for the service: {error}")
                self._away = True
            self._stop.wait(every)
        return False

    def round(self) -> bool:
        """Fill the stock as it is now. Returns whether the search is over."""
        try:
            stock = self._client.add_proposals([], 0, experiment=self._name)
            self._look()
            used = stock.next_number - stock.waiting
            wanted = min(max(FEWEST, self._seen.running, 2 * (used - self._used)), MOST)
            self._used = used
            if stock.waiting < wanted:
                found = self._proposer.propose(self._seen, wanted - stock.waiting)
                if found:
                    after = self._client.add_proposals(
                        found, stock.next_number, revision=stock.revision, experiment=self._name
                    )
                    self.proposed += after.next_number - stock.next_number
        except FailedPrecondition:
            return self._now().state in OVER
        return False

    def _look(self) -> None:
        """Read what is new."""
        more = True
        while more:
            new = self._client.results(self._cursor, experiment=self._name)
            self._seen.add(new)
            self._cursor, more = new.cursor, new.more

    def _now(self) -> Experiment:
        """The search. Raises NotFound when another one has its name by now."""
        now = self._client.get_experiment(self._name)
        if now.create_time != self._experiment.create_time:
            raise NotFound(f"{self._name} was deleted, and is now another search")
        return now
