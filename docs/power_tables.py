"""Of docs/seeds.md: what `plan` prints of what a preset can find, by the code that prints it."""

from __future__ import annotations

from commands.configuration import Configuration
from experiments.design.measures import measure_named
from experiments.design.statement import Wanted, power_document
from experiments.registry import experiment_of
from views.power import power_lines

#: Points in 1/5, and the share of ablations that find them.
_DIFFERENCE, _POWER = 10.0, 0.8


def demo() -> str:
    """Of `plan --preset demo --detect 10 --power 0.8` in a new home."""
    config = Configuration("demo", None, (), None, None, (), (), (), None, None).load()
    experiment = experiment_of(config.model_dump(mode="json"))
    design = experiment.design(config)
    assert design is not None, "the preset trains and judges"
    name = experiment.metric.columns[0]
    wanted = Wanted(measure_named(experiment.metric, name, "--measure"), _DIFFERENCE, _POWER)
    lines = power_lines(power_document(design, experiment.metric, (), 0, _POWER, wanted))
    return "\n".join(("```", *lines, "```"))
