"""Whether the disks hold what an ablation fetches from the Hub, and what its jobs make of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.proposal import Proposal
    from settings.home import Home


def told_room(home: Home, proposal: Proposal) -> str | None:
    """How much that is: a sentence; None where nothing is fetched. Raises ConfigError where they do not."""
    from experiments.proposal import is_fetched_first

    if not is_fetched_first(proposal.plan):
        return None
    from experiments.registry import experiment_for

    return experiment_for(proposal.config).room_to_fetch(proposal.config, home.root)
