"""Who reads how an evaluation begins has few files to know."""

from __future__ import annotations

from benchmarks.builds import ROOT
from benchmarks.evaluation_path import measure

#: Half of what there was before policies were a package (`benchmarks/results/evaluation_path.json`).
_MOST = 27


def test_a_policy_that_is_no_model_is_asked_after_few_files_and_none_of_models() -> None:
    told = measure(ROOT)["on_the_stack"]
    assert "policies/random_actions.py" in told["names"]
    assert told["files"] - told["world"] <= _MOST, told["names"]
    met = {name.partition("/")[0] for name in told["names"]}
    assert met.isdisjoint({"models", "detectors", "reports", "experiments", "workers", "db"})
