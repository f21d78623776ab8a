"""The configuration of an experiment: read from a document with all violations reported, and written back to one.

A Determined experiment configuration is accepted unchanged; keys without a meaning here are ignored, with a note.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rungway_server.domain.documents.fields import MAX_INTEGER, Section, shown
from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.domain.foreign import refusal, tool_of
from rungway_server.domain.sampling.points import TooManyPoints, without_count
from rungway_server.domain.sampling.sampling import LEAST_SHARE, MAX_DRAWN, feasible_share, number_of_points
from rungway_server.domain.sampling.sobol import available as sobol_available
from rungway_server.domain.search.config import Sampler, SearcherConfig, SearcherName, searcher_document
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.reader import read_searcher
from rungway_server.domain.space.constraints.constraints import effort, read_constraints
from rungway_server.domain.space.did_you_mean import space_notes
from rungway_server.domain.space.reader import read_space
from rungway_server.domain.space.space import Source, Space, space_document

MAX_RESTARTS = 1_000_000
MIN_LEASE_SECONDS, MAX_LEASE_SECONDS = 0.1, 86_400.0
MAX_RETENTION_DAYS = 36_500.0
MAX_DESCRIPTION = 10_000
"""Longest description, in characters."""
MAX_VIOLATIONS = 30
"""Most violations reported at once."""

_KEYS = (
    "hyperparameters",
    "constraints",
    "searcher",
    "seed",
    "reproducibility",
    "max_restarts",
    "pause_after_failures",
    "lease_seconds",
    "retention_days",
    "name",
    "description",
)
IGNORED_KEYS = (
    "bind_mounts",
    "checkpoint_policy",
    "checkpoint_storage",
    "data",
    "data_layer",
    "debug",
    "entrypoint",
    "environment",
    "integration",
    "integrations",
    "internal",
    "labels",
    "log_policies",
    "log_pattern_policies",
    "min_checkpoint_period",
    "min_validation_period",
    "optimizations",
    "pbs",
    "perform_initial_validation",
    "preemption_timeout",
    "profiling",
    "project",
    "records_per_epoch",
    "resources",
    "retention_policy",
    "scheduling_unit",
    "security",
    "slurm",
    "tensorboard_storage",
    "workspace",
)
"""Keys of a Determined experiment configuration that have no meaning here."""


@dataclass(frozen=True, slots=True)
class ExperimentConfig:
    """Everything that defines an experiment.

    `seed` determines the configurations. A trial may be restarted `max_restarts` times after failures and expired
    leases without progress. The search pauses itself when its first `pause_after_failures` attempts (0 = never) all
    failed before any result. A lease lasts `lease_seconds` from its last renewal. An experiment that has ended is kept
    for `retention_days`, 0 = until it is deleted. `name` and `description` are for people.
    """

    space: Space
    searcher: SearcherConfig
    seed: int
    max_restarts: int = 5
    pause_after_failures: int = 10
    lease_seconds: float = 60.0
    retention_days: float = 0.0
    name: str = ""
    description: str = ""


def parse(document: Mapping[str, object]) -> tuple[ExperimentConfig, tuple[str, ...]]:
    """Read a configuration. Returns it with notes about ignored keys.

    Raises InvalidInput with the violations: the first MAX_VIOLATIONS and the number of the others.
    """
    violations: list[Violation] = []
    notes: list[str] = []
    if not isinstance(document, Mapping):
        raise InvalidInput.one("config", f"got {shown(document)}, wanted a mapping")
    if tool := tool_of(document):
        raise refusal(tool)
    config = _read(Section(document, "", violations), notes)
    if config is not None and not violations:
        _check_share(config.space)
        make_plan(config.searcher, config.space)  # raises InvalidInput if there is no such plan
        return config, tuple(notes)
    if len(violations) > MAX_VIOLATIONS:
        rest = len(violations) - MAX_VIOLATIONS
        violations[MAX_VIOLATIONS:] = [Violation("config", f"{rest} more violations are not listed")]
    raise InvalidInput(violations)


def to_document(config: ExperimentConfig) -> dict[str, object]:
    """The document that reads back as this configuration, with all defaults filled in."""
    return {
        "name": config.name,
        "description": config.description,
        "hyperparameters": space_document(config.space),
        "constraints": list(config.space.constraints),
        "searcher": searcher_document(config.searcher),
        "seed": config.seed,
        "max_restarts": config.max_restarts,
        "pause_after_failures": config.pause_after_failures,
        "lease_seconds": config.lease_seconds,
        "retention_days": config.retention_days,
    }


def _read(top: Section, notes: list[str]) -> ExperimentConfig | None:
    top.allow(_KEYS, unsaid=IGNORED_KEYS)
    if ignored := sorted(key for key in top.values if key in IGNORED_KEYS):
        notes.append(f"ignored, they mean nothing here: {', '.join(ignored)}")
    if "labels" in ignored:
        notes.append("labels are given beside a configuration: `rungway create --label NAME=VALUE`")
    searcher_section = top.section("searcher")
    searcher = read_searcher(searcher_section, notes) if searcher_section.values else None
    if not top.values.get("searcher"):
        top.refuse("searcher", "missing, wanted a mapping with name and metric")
    noted = len(top.violations)
    space = _space(top, notes)
    broken = len(top.violations) > noted  # its bounds may be placeholders
    seed = _seed(top, searcher_section)
    max_restarts = top.integer("max_restarts", 5, least=0, most=MAX_RESTARTS)
    pause_after = top.integer("pause_after_failures", 10, least=0, most=MAX_RESTARTS)
    lease_seconds, retention_days = _lease_seconds(top), _retention_days(top)
    name, description = top.text("name", ""), top.text("description", "", longest=MAX_DESCRIPTION)
    if searcher is None:
        return None
    space = space if broken else _with_source(space, searcher, top)
    return ExperimentConfig(
        space, searcher, seed, max_restarts, pause_after, lease_seconds, retention_days, name, description
    )


def _space(top: Section, notes: list[str]) -> Space:
    document = top.values.get("hyperparameters")
    if not document and (document is None or isinstance(document, Mapping)):
        notes.append("hyperparameters: none, so all trials are alike")
        space = Space()
    else:
        noted = len(top.violations)
        space = read_space(document, "hyperparameters", top.violations)
        notes += [] if len(top.violations) > noted else space_notes(space)
    return replace(space, constraints=read_constraints(top.values.get("constraints"), space, top.violations))


def _with_source(space: Space, searcher: SearcherConfig, top: Section) -> Space:
    """The space with the source of its configurations, which the searcher section decides."""
    if searcher.name is SearcherName.GRID:
        for path in without_count(space):
            top.refuse(f"hyperparameters.{spelled(*path)}.count", "missing, wanted the number of points in the grid")
        return replace(space, source=Source.GRID, num_samples=searcher.num_samples)
    if searcher.sampler is Sampler.SOBOL and not sobol_available():
        top.refuse(
            "searcher.sampler", "got 'sobol', which needs scipy: install 'rungway[sobol]' where the service runs"
        )
    return replace(space, source=Source(searcher.sampler.value))


def _check_share(space: Space) -> None:
    """Raises InvalidInput when no configuration meets the constraints, or too few to find one by drawing."""
    if not space.constraints:
        return
    try:
        share, points = feasible_share(space), number_of_points(space)
    except TooManyPoints:
        return  # a grid: make_plan reports it
    least = LEAST_SHARE if points is None else 0.0
    if share == 0 or share < least:
        wanted = f"at least {least:.1%}" if least else "at least one"
        raise InvalidInput.one("constraints", f"{share:.4%} of all configurations meet them, wanted {wanted}")
    if points is None and (work := effort(space) / share) > MAX_DRAWN:
        raise InvalidInput.one(
            "constraints",
            f"{share:.4%} of all configurations meet them, so that finding one is as much work as drawing"
            f" {work:.0f} parameters, wanted at most {MAX_DRAWN}: a larger share, or shorter constraints",
        )


def _seed(top: Section, searcher: Section) -> int:
    """The seed from any of the three keys that may give it; 0 by default."""
    reproducibility = top.section("reproducibility")
    reproducibility.allow(("experiment_seed",))
    seed: int | None = None
    for section, key in ((top, "seed"), (searcher, "seed"), (reproducibility, "experiment_seed")):
        found = section.optional_integer(key, least=0, most=MAX_INTEGER)
        if found is not None and seed is not None and found != seed:
            section.refuse(key, f"got {found}, but another seed is {seed}")
        seed = seed if found is None else found
    return seed or 0


def _lease_seconds(top: Section) -> float:
    seconds = top.number("lease_seconds", 60.0)
    if not MIN_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        top.refuse("lease_seconds", f"got {shown(seconds)}, wanted {MIN_LEASE_SECONDS} to {MAX_LEASE_SECONDS}")
    return seconds


def _retention_days(top: Section) -> float:
    days = top.number("retention_days", 0.0)
    if not 0 <= days <= MAX_RETENTION_DAYS:
        top.refuse("retention_days", f"got {shown(days)}, wanted 0 (= until deleted) to {MAX_RETENTION_DAYS}")
    return days
