"""The first cases of `trials/fuzz.py`: what is changed at random is taken, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from trials.fuzzing.subjects import SUBJECTS, outcome

CASES = {"pickles": 2000, "datasets": 60, "documents": 60, "checkpoints": 150, "bundles": 20, "answers": 300,
         "lerobot": 40, "hub": 40, "shards": 40, "conversions": 40, "code": 300,
         "lists": 120}  # fmt: skip


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_changed_input_is_taken_or_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name](tmp_path)
    judged = [outcome(subject, 1, case) for case in range(CASES[name])]
    assert [said for how, said in judged if how == "wrong"] == []
    assert {how for how, _ in judged} == {"taken", "refused"}
