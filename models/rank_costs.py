"""What one rank of a sharded training step needs, from shapes alone; a model is divided as `models.units` says.

A rank holds its share of float32 weights, gradients and both moments, the autoencoder and the last unit whole, and
for the length of a step: two units as they are gathered (the one that computes, and the next), and of one unit the
gradient before it is divided, once in the type of its products and once in float32, as it is summed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from models.config import ReconVLAConfig
from models.costs import GIB, Costs, Method, training_costs
from models.reconvla import ReconVLA
from models.units import units_of


@dataclass(frozen=True)
class RankCosts:
    """GiB of one rank with one sample a micro-batch. gathered: of parameters, while a step lasts; reduced: of gradients
    that are not divided yet. kept_gathered: `total` where units stay gathered between the micro-batches of a step,
    which saves an all-gather of the model for each of them but the first. copied: as of `Costs`.
    """

    ranks: int
    weights: float
    gradients: float
    optimizer: float
    gathered: float
    reduced: float
    activations: float
    copied: float
    total: float
    kept_gathered: float

    def largest_micro_batch(self, memory: float) -> int:
        """The most samples a micro-batch in so many GiB; 0 where not one fits."""
        return max(0, int((memory - self.total + self.activations) / self.activations))

    def to_dict(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def rank_costs(config: ReconVLAConfig, method: Method, ranks: int) -> RankCosts:
    """Of training the whole model over `ranks`. With one rank nothing is divided, and nothing has to be gathered."""
    whole = training_costs(config, method)
    if ranks == 1:
        return _alone(whole)
    with torch.device("meta"):
        model = ReconVLA(config)
    width = 2 if method.half else 4
    latents = sum(p.numel() for p in model.latents.parameters()) if model.latents is not None else 0
    everything = sum(parameter.numel() for parameter in model.parameters()) - latents
    trained = whole.trained_parameters
    sizes, running, in_units, in_units_trained, reduced = [], 0, 0, 0, []
    for unit in units_of(model):
        count = sum(parameter.numel() for parameter in unit.module.parameters())
        in_units += count
        if unit.name == "vision_tower.head" or unit.module is model.vision_tower.encoder.layers[-1]:
            continue  # never run, so never gathered
        each = width if unit.half else 4
        sizes.append(count * each)
        running += count * each
        learning = sum(p.numel() for p in unit.module.parameters() if p.requires_grad)
        in_units_trained += learning
        reduced.append(learning * (each + 4))
    last = 4 * (everything - in_units)
    two = sum(sorted(sizes)[-2:])
    held = 4 * everything / ranks + 4 * latents
    reduced.append((trained - in_units_trained) * 8)
    fixed = held + 12 * trained / ranks + max(reduced)
    activations = whole.activations * GIB
    return RankCosts(
        ranks=ranks,
        weights=held / GIB,
        gradients=4 * trained / ranks / GIB,
        optimizer=8 * trained / ranks / GIB,
        gathered=(two + last) / GIB,
        reduced=max(reduced) / GIB,
        activations=whole.activations,
        copied=(held + 8 * trained / ranks) / GIB,
        total=(fixed + two + last + activations) / GIB,
        kept_gathered=(fixed + running + last + activations) / GIB,
    )


def _alone(whole: Costs) -> RankCosts:
    return RankCosts(
        1,
        whole.weights,
        whole.gradients,
        whole.optimizer,
        0.0,
        0.0,
        whole.activations,
        whole.copied,
        whole.total,
        whole.total,
    )
