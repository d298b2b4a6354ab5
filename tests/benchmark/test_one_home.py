"""What CALVIN fixes stands in `benchmark/` alone: no other file repeats its numbers or its lists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.actions import MAX_STEP_M, MAX_STEP_RAD
from benchmark.cameras import CAMERAS, EGL, STATIC_CAMERA, STATIC_CAMERA_NM, TINY
from benchmark.embodiment import CALVIN, CHUNK_STEPS
from benchmark.tasks import BLOCK_COLOURS, BLOCK_ORDER, SCENES, TASKS
from calvin.initial_states import ROBOT_OBS
from calvin.instructions import training_instructions
from calvin.oracle import CONDITIONS
from calvin.transitions import VARIANTS
from detectors.targets.table import TASK_PHASES
from simulators.playtable.own_scenes import own_scene
from tests.support import REPOSITORY
from tests.test_layers import modules

#: Other interpreters run these, which see no module of Baton's.
APART = {"simulators/external/calvin_env_script.py", "detectors/grounding_dino/py_package_server.py"}

LISTS = {frozenset(BLOCK_COLOURS), frozenset(SCENES), frozenset(CAMERAS)}
SHAPES = {CALVIN.static_shape, CALVIN.gripper_shape}
#: What a name speaks of -> the number that it would repeat.
NAMED: dict[str, float | str] = {
    r"robot_?obs|state_(size|dim)": CALVIN.robot_obs_size,
    r"scene_obs": CALVIN.scene_obs_size,
    r"action_(size|dim)": CALVIN.action_size,
    r"chunk_(size|step)": CHUNK_STEPS,
    r"(max|largest).*(metre|step_m$|position)": MAX_STEP_M,
    r"(max|largest).*(radian|step_rad$|angle)": MAX_STEP_RAD,
    r"control_hz": CALVIN.control_hz,
    r"^_?egl": EGL,
    r"^_?tiny": TINY,
}
CAMERA_NUMBERS = {
    abs(number) for camera in (STATIC_CAMERA, STATIC_CAMERA_NM) for number in (*camera.eye, *camera.up)
}
#: Arrays whose places have names. Whole frames are taken by 0, 1 and -1.
OBSERVATIONS = re.compile(r"(robot|scene)_obs$")


def copies(source: str) -> Iterator[tuple[int, str]]:
    """(line, what) of each constant of the benchmark that a file's text repeats."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            values = tuple(item.value for item in node.elts if isinstance(item, ast.Constant))
            if len(values) == len(node.elts) and (frozenset(values) in LISTS or values in SHAPES):
                yield node.lineno, ast.unparse(node)
            if len(set(TASKS) & set(values)) > len(TASKS) / 2:
                yield node.lineno, "the tasks"
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from ((node.lineno, what) for what in _assigned(node))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value in CAMERA_NUMBERS
        ):
            yield node.lineno, str(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name == "relative_action":
            yield node.lineno, "relative_action"
        elif isinstance(node, ast.Subscript) and _is_observation(node.value):
            numbers = [part.value for part in ast.walk(node.slice) if isinstance(part, ast.Constant)]
            if any(isinstance(number, int) and number > 1 for number in numbers):
                yield node.lineno, ast.unparse(node)


def _assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    [target] = node.targets if isinstance(node, ast.Assign) and len(node.targets) == 1 else [None]
    target = node.target if isinstance(node, ast.AnnAssign) else target
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
    for name, value in zip(names, values):
        if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
            for pattern, number in NAMED.items():
                if re.search(pattern, name.id, re.IGNORECASE) and value.value == number:
                    yield f"{name.id} = {number}"


def _is_observation(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return bool(OBSERVATIONS.search(str(node.slice.value)))
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return bool(OBSERVATIONS.search(name))


def test_no_file_repeats_a_constant_of_the_benchmark() -> None:
    scanned = [*modules(), *sorted((REPOSITORY / "benchmarks").glob("*.py"))]
    found = [
        f"{name}:{line}: {what}"
        for file in scanned
        if (name := str(file.relative_to(REPOSITORY))) not in APART and Path(name).parts[0] != "benchmark"
        for line, what in copies(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'COLOURS = ("blue", "red", "pink")',
        'Scene = Literal["A", "B", "C", "D"]',
        'for camera in ["static", "gripper"]: ...',
        "SHAPE = (200, 200, 3)",
        "ROBOT_OBS_SIZE = 15",
        "chunk_steps: int = 5",
        "_STATE_DIMS, _ACTION_DIMS = 15, 7",
        "MAX_RELATIVE_METRES = 0.02",
        "EYE = (2.871459009, -2.166602199, 2.555159849)",
        "width = robot_obs[6]",
        "hand = episode.robot_obs[:, :3]",
        'pose = frame["robot_obs"][:6]',
        "lamps = scene_obs[4:6]",
        f"NAMES = {list(TASKS)}",
        "def relative_action(now, after): ...",
    ],
)
def test_a_copy_is_found(source: str) -> None:
    assert list(copies(source))


@pytest.mark.parametrize("source", ["first = episode.robot_obs[0]", "LIMIT = 15", "before = robot_obs[:-1]"])
def test_what_is_no_copy_passes(source: str) -> None:
    assert not list(copies(source))


def test_what_is_known_of_each_task_is_known_of_all() -> None:
    assert set(TASK_PHASES) == set(VARIANTS) == set(CONDITIONS) == set(TASKS)
    assert all(training_instructions(task) for task in TASKS)


def test_the_rest_pose_is_a_state() -> None:
    assert len(ROBOT_OBS) == CALVIN.robot_obs_size


@pytest.mark.parametrize("scene", SCENES)
def test_our_tables_have_calvins_order_of_blocks(scene: str) -> None:
    assert tuple(own_scene(scene).blocks) == tuple(f"block_{colour}" for colour in BLOCK_ORDER[scene])
