from __future__ import annotations

import pytest

from calvin.instructions import evaluation_instruction, training_instructions
from calvin.task_names import BLOCK_COLOURS, TASKS
from errors import InvalidInput


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_training_phrases_and_another_for_evaluation(task: str) -> None:
    training, evaluation = training_instructions(task), evaluation_instruction(task)
    assert len(set(training)) >= 3
    assert evaluation not in training
    for phrase in (*training, evaluation):
        assert [colour for colour in BLOCK_COLOURS if colour in phrase.split()] == [
            colour for colour in BLOCK_COLOURS if f"_{colour}_" in task
        ]


@pytest.mark.parametrize("task", TASKS)
def test_evaluation_uses_words_that_training_teaches(task: str) -> None:
    known = {word for phrase in training_instructions(task) for word in phrase.split()}
    assert set(evaluation_instruction(task).split()) <= known


def test_no_phrase_serves_two_tasks() -> None:
    phrases = [p for task in TASKS for p in (*training_instructions(task), evaluation_instruction(task))]
    assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize("function", [training_instructions, evaluation_instruction])
def test_unknown_task(function: object) -> None:
    with pytest.raises(InvalidInput, match="Unknown CALVIN task 'fly'"):
        function("fly")  # type: ignore[operator]
