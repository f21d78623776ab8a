"""Reading where the configurations of a search come from: the keys `sampler`, `proposals` and `cost_aware`."""

from rungway_server.domain.documents.fields import Section, shown
from rungway_server.domain.search.config import Sampler, SearcherName
from rungway_server.domain.search.sources import PURE_PROPOSALS, Proposals


def named_bohb(section: Section, notes: list[str]) -> Section:
    """BOHB (Falkner et al. 2018) is Hyperband whose configurations two kernel densities propose."""
    if section.values.get("name") != "bohb":
        return section
    if section.values.get("proposals") not in (None, Proposals.KDE):
        section.refuse("proposals", f"got {shown(section.values['proposals'])}, but bohb is hyperband with 'kde'")
    notes.append("searcher: bohb is hyperband with proposals: kde")
    values = {**section.values, "name": SearcherName.HYPERBAND.value, "proposals": Proposals.KDE.value}
    return Section(values, section.path, section.violations, section.spelled)


def read_proposals(section: Section, name: SearcherName, *, several: bool = False) -> tuple[Sampler, Proposals | None]:
    """The pure source of configurations, and what proposes beside it; None for nothing. `several`: results rank by more
    than one metric, of which models know nothing.

    A section of `auto` that names only its sampler means no other source: so do those that were stored before models
    proposed there by default.
    """
    if name is SearcherName.GRID:
        return Sampler.RANDOM, None
    sampler = section.choice("sampler", Sampler.RANDOM)
    if not section.has("proposals"):
        models = name is SearcherName.AUTO and not several and not section.has("sampler")
        return sampler, Proposals.MIXTURE if models else None
    chosen = section.choice("proposals", Proposals.RANDOM)
    if chosen not in PURE_PROPOSALS:
        if name is SearcherName.SINGLE:
            section.refuse("proposals", f"got '{chosen}', but one trial has no results to learn from")
        return sampler, chosen
    if section.has("sampler") and sampler.value != chosen.value:
        section.refuse("proposals", f"got '{chosen}', but sampler is '{sampler}': wanted one of them")
    return Sampler(chosen.value), None


def read_cost_aware(section: Section, name: SearcherName, proposals: Proposals | None) -> bool:
    """Whether the cost of training counts where its shares are learned."""
    aware = section.flag("cost_aware", False)
    if aware and name is not SearcherName.AUTO and proposals is not Proposals.MIXTURE:
        section.refuse("cost_aware", "got true, but no share is learned: wanted auto, or proposals: mixture beside it")
    return aware
