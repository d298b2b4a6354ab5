"""The same preset and seed on the same demonstrations in other formats: bit-identical final weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calvin.episode import Episode
from calvin.split import TRAINING, VALIDATION, open_split
from db.plans import PlannedJob
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tasks.context import Finished, InputFile
from tasks.data.rounding import RoundedTokens
from tasks.fixed_state import FixedState
from tasks.kind import threads_of
from tasks.registry import KINDS
from tests.calvin.conftest import calvin_mini as calvin_mini
from tests.calvin.conftest import lerobot_mini as lerobot_mini
from tests.calvin.conversion.converting import converted
from tests.calvin.writing import write_split
from tests.tasks.fake_context import FakeContext

pytestmark = pytest.mark.slow

ARM, STEPS = "recon", 2
#: Of `calvin_mini`: as many as it takes, and those that `lerobot_mini` was made of.
FEW, SAME = (3, 1), (6, 3)


@pytest.fixture(scope="module")
def npz(calvin_mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some demonstrations of real CALVIN, with all digits."""
    return part_of(calvin_mini, FEW, tmp_path_factory.mktemp("npz"), np.float64)


def part_of(root: Path, counts: tuple[int, int], out: Path, kind: type[np.floating]) -> Path:
    """The first demonstrations of both splits of CALVIN's files, their numbers rounded to `kind`."""
    for name, count in zip((TRAINING, VALIDATION), counts):
        split = open_split(root, name)
        read = [split.read(demonstration) for demonstration in split.demonstrations[:count]]
        rounded = [
            replace(e, **{f: getattr(e, f).astype(kind) for f in ("robot_obs", "scene_obs", "actions", "rel_actions")})
            for e in read
        ]  # fmt: skip
        write_split(out, name, rounded, validation_instructions=split.validation_instructions or None)
    return out


def weights(root: Path, folder: Path, *overrides: str) -> str:
    """SHA-256 of the final weights of one arm, by the jobs that its plan has."""
    said = (
        f"data.root={root}",
        "data.tasks=[]",
        f"training.steps={STEPS}",
        "training.batch_size=2",
        *overrides,
    )
    plan = Planner(load_config("smoke", None, said, arms=(ARM,), seeds=(0,))).plan()
    jobs = {job.key: job for job in plan.jobs}
    wanted = next(job for job in plan.jobs if job.kind == "train")
    made: dict[str, list[InputFile]] = {}
    state = FixedState()
    for number, job in enumerate(job for job in plan.jobs if job.key in needed(jobs, wanted)):
        inputs = [replace(file, role=need.role) for need in job.needs for file in made[need.key]]
        kind = KINDS[job.kind]
        spec = kind.spec_of(job.spec)
        body = kind.load_body()
        state.establish(threads_of(spec))  # as a worker does before every job
        context = FakeContext(folder / str(number), spec, inputs)
        result = body(context)
        assert isinstance(result, Finished), result
        made[job.key] = [*context.published, *(context.keep(draft, 0) for draft in result.artifacts)]
    return next(file.sha256 for file in made[wanted.key] if file.name == "weights")


def needed(jobs: dict[str, PlannedJob], job: PlannedJob) -> set[str]:
    return {job.key}.union(*(needed(jobs, jobs[need.key]) for need in job.needs))


def episodes(root: Path) -> Iterator[Episode]:
    split = open_split(root, TRAINING)
    yield from (split.read(demonstration) for demonstration in split.demonstrations)


def test_lossless_sets_give_the_weights_of_the_npz(npz: Path, tmp_path: Path) -> None:
    expected = weights(npz, tmp_path / "of npz")
    for form in ("v2.1 png float64", "v3.0 png float64"):
        converted(npz, tmp_path / form, form)
        assert weights(tmp_path / form, tmp_path / f"of {form}") == expected, form


def test_float32_sets_give_the_weights_of_the_npz_rounded_to_float32(
    npz: Path, calvin_mini: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rounded = part_of(calvin_mini, FEW, tmp_path / "rounded", np.float32)
    assert any((a.robot_obs != b.robot_obs).any() for a, b in zip(episodes(npz), episodes(rounded)))
    expected = weights(rounded, tmp_path / "of npz")
    for form in ("v2.1 png float32", "v3.0 png float32"):
        converted(npz, tmp_path / form, form)
        assert weights(tmp_path / form, tmp_path / f"of {form}") == expected, form
    counts = RoundedTokens()
    for episode in episodes(npz):
        counts.add(episode)
    frames = sum(len(episode) for episode in episodes(npz))
    assert (counts.states, counts.actions) == (15 * frames, 7 * frames)
    with capsys.disabled():
        print(
            f"\nfloat32: {counts.changed_states} of {counts.states} state tokens and {counts.changed_actions} of "
            f"{counts.actions} action tokens differ from those of float64"
        )


def test_sets_of_others_give_them_too(lerobot_mini: Path, calvin_mini: Path, tmp_path: Path) -> None:
    """Sets that lerobot wrote of the same demonstrations, without scenes and the numbers of their frames."""
    rounded = part_of(calvin_mini, SAME, tmp_path / "rounded", np.float32)
    expected = weights(rounded, tmp_path / "of npz")
    assert weights(lerobot_mini / "v21_images_relative", tmp_path / "of v2.1") == expected
    said = (f"data.validation_root={lerobot_mini / 'v21_validation'}",)
    assert weights(lerobot_mini / "v30_images_relative", tmp_path / "of v3.0", *said) == expected
