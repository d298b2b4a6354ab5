"""Sentences of what an ablation can find."""

from __future__ import annotations

from views.power import finds


def entry(measure: str, label: str, unit: str, detects: float | None) -> dict[str, object]:
    return {"measure": measure, "label": label, "unit": unit, "detects": detects, "main": True}


def said(of_first: float | None, of_length: float | None, arms: int = 2) -> str:
    measures = [
        entry("success_1", "1/5", "points", of_first),
        entry("avg_len", "average length", "tasks", of_length),
    ]
    document = {"adaptive": None, "arms": arms, "seeds": 2, "power": 0.8, "measures": measures}
    return finds({**document, "primary": "success_1"})


def test_a_measure_in_which_nothing_is_found_is_named_apart() -> None:
    both = "2 seeds find differences of 27 points in 1/5 and 3.70 tasks in average length and more"
    assert said(26.6, 3.7) == f"{both}, with a power of 80 %"
    one = "2 seeds find differences of 3.70 tasks in average length and more, and none in 1/5"
    assert said(None, 3.7) == f"{one}, with a power of 80 %"
    none = "2 seeds find no difference of methods with a power of 80 %, however large"
    assert said(None, None) == none
    assert (
        said(26.6, 3.7, arms=3)
        == f"{both}, with a power of 80 %; Holm's correction for 2 comparisons asks for more"
    )
