"""Why something was decided, as plain values. All lengths are in the experiment's unit."""

from dataclasses import dataclass
from functools import lru_cache

from rungway._core.enums import Reason, word
from rungway.v1 import trial_pb2


@lru_cache(maxsize=64)
def reason_of(number: int) -> Reason:
    """The reason for its number on the wire; UNKNOWN for one that this client does not know."""
    return word(trial_pb2.Reason, number, "REASON_", Reason.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a ladder: a rung at which new trials may begin to be judged."""

    share: float
    """The share of the training that its trials get, 0 to 1."""
    spent: int
    """The training handed out to its trials, all together (experiment's unit)."""
    credit: float
    """Its credit for the best results: about how many of these are of its trials."""
    used: float | None = None
    """In a cost-aware search what its share is compared with: the training, weighed by its cost (experiment's unit)."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Entry) -> "Entry":
        """From its message on the wire."""
        used = message.used if message.HasField("used") else None
        return cls(message.share, message.spent, message.credit, used)


@dataclass(frozen=True, slots=True)
class SourceShare:
    """A source of configurations: sampler, forest, local, kde, external."""

    source: str
    share: float
    """Its share, 0 to 1: of the training where shares are learned, else of the new trials."""
    spent: int
    """The training handed out to its trials (experiment's unit) where shares are learned, else its trials."""
    credit: float
    """Its credit for the best results of the top rung: about how many of these are of its trials."""
    used: float | None = None
    """In a cost-aware search what its share is compared with: the training, weighed by its cost (experiment's unit)."""

    @classmethod
    def from_proto(cls, message: trial_pb2.SourceShare) -> "SourceShare":
        """From its message on the wire."""
        used = message.used if message.HasField("used") else None
        return cls(message.source, message.share, message.spent, message.credit, used)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where the configuration of a new trial comes from."""

    source: str
    """A source, or user for one that was enqueued."""
    turn: str
    """The source whose turn it was. Another one than `source` had nothing ready, and the sampler stepped in."""
    revision: int = 0
    """That of the results that it was proposed from; 0 for a draw."""
    sources: tuple[SourceShare, ...] = ()
    """What was known of each source before this trial."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Proposal) -> "Proposal":
        """From its message on the wire."""
        shares = tuple(map(SourceShare.from_proto, message.sources))
        return cls(message.source, message.turn, message.revision, shares)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why something was decided, with the numbers at that moment."""

    reason: Reason
    bracket: int = 0
    """Index of the bracket, counted from 0."""
    rung: int = -1
    """Index of the rung that decided, counted from 0 in its bracket; -1 when no rung took part."""
    rank: int = 0
    """Rank of the result in that rung, 0 = best."""
    rung_size: int = 0
    """Number of results in that rung, this one included."""
    quota: int = 0
    """How many of the rung's results may be promoted; of a CLONED trial, how many were cloned."""
    cutoff: float | None = None
    """Metric of the last result in the top-k; None when the quota is 0."""
    text: str = ""
    """The same in words."""
    parent: int | None = None
    """CLONED only: the trial it was cloned from; rank and rung_size are those of that trial's result."""
    entries: tuple[Entry, ...] = ()
    """NEW_TRIAL and ENQUEUED in a search whose new trials may enter at any rung: what was known of each entry, by rung,
    when this trial entered at `rung`."""
    proposal: Proposal | None = None
    """NEW_TRIAL and ENQUEUED in a search with several sources of configurations: where this one comes from."""
    front: int | None = None
    """In a search with several objectives or constraints on outcomes, where a rung took part: the front of the result,
    0 = no other one dominates it. Then `rank` is by fronts, and `rung_size` how many were compared."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Explanation) -> "Explanation":
        """From its message on the wire."""
        return cls(
            reason_of(message.reason),
            message.bracket,
            message.rung,
            message.rank,
            message.rung_size,
            message.quota,
            message.cutoff if message.HasField("cutoff") else None,
            message.text,
            message.parent if message.HasField("parent") else None,
            tuple(map(Entry.from_proto, message.entries)),
            Proposal.from_proto(message.proposal) if message.HasField("proposal") else None,
            message.front if message.HasField("front") else None,
        )
