from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.tasks import BLOCK_COLOURS, TASKS
from calvin.instructions import evaluation_instruction, read_instruction_file, training_instructions
from errors import DatasetError, InvalidInput


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


def test_an_instruction_file_gives_the_first_phrase_of_each_task(tmp_path: Path) -> None:
    file = tmp_path / "phrases.yaml"
    file.write_text("".join(f'{task}: ["do {task}", "or so"]\n' for task in TASKS))
    assert read_instruction_file(file) == {task: f"do {task}" for task in TASKS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "is not a mapping"),
        ("{", "is not YAML"),
        ("open_drawer: pull", "no list of instructions for rotate_red_block_right"),
        (None, "cannot be read: No such file"),
        (
            "".join(f"{task}: [' ']\n" for task in TASKS),
            "the first of rotate_red_block_right is ' ', not an instruction",
        ),
    ],
)
def test_unusable_instruction_files(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "phrases.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_instruction_file(file)


def test_an_instruction_file_with_a_task_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "phrases.yaml"
    file.write_text("".join(f'{task}: ["do {task}"]\n' for task in TASKS) + 'open_drawer: ["close it"]\n')
    with pytest.raises(DatasetError, match=r"phrases\.yaml, line 35: the key 'open_drawer' is given twice"):
        read_instruction_file(file)
