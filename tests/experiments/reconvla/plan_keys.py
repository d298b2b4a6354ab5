"""Keys of the jobs of many ablations, so that none changes unnoticed: `tests/experiments/reconvla/test_plan_keys.py`.

    python -m tests.experiments.reconvla.plan_keys > tests/data/plan_keys/current.json

writes those of this build, where `../shared` or the variables below have CALVIN's own files. Those of an older build
were written in the same way: this module and the cases were copied into a worktree of it and run there, so it needs
little of the repository.

Nothing depends on the machine: data sets are made here, and finders and the official simulator are stood in for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import detectors.registry
import simulators.calvin_env
from experiments.reconvla.planner import Planner
from tasks.registry import KINDS

try:
    from experiments.reconvla.config import load_config  # 753aa3a
except ImportError:
    from experiments.reconvla.named_config import load_config

_BESIDE = Path(__file__).resolve().parents[4] / "shared"
#: What the repository does not carry.
SHARED = {
    "calvin_mini": Path(os.environ.get("BATON_CALVIN_MINI", _BESIDE / "calvin_mini")),
    "calvin_assets": Path(os.environ.get("BATON_CALVIN_ASSETS", _BESIDE / "calvin_assets")),
}

_CASES = yaml.safe_load((Path(__file__).parents[2] / "data" / "plan_keys" / "cases.yaml").read_text())
#: By name: a preset and what is set. Those of SHARED_CASES are not everywhere.
CASES: dict[str, str] = _CASES["everywhere"]
SHARED_CASES: dict[str, str] = _CASES["where CALVIN's files are"]


def plan_of(case: str) -> Any:
    """The plan of one of the cases, in the current folder, which is a `workplace`."""
    preset, *overrides = _words((CASES | SHARED_CASES)[case])
    last = {text.partition("=")[0]: text for text in overrides}
    return Planner(load_config(preset, None, tuple(last.values()))).plan()


def _words(text: str) -> list[str]:
    named = _CASES["words"]
    return [part for word in text.split() for part in (_words(named[word]) if word in named else [word])]


def summary(key: str, jobs: list[tuple[str, str]]) -> dict[str, Any]:
    """Keys as they are stored: of jobs whose labels differ only in numbers, how many and a digest of their keys.

    jobs: (label, key) in the plan's order.
    """
    groups: dict[str, list[str]] = {}
    for label, of_job in jobs:
        groups.setdefault(re.sub(r"\d+(-\d+)?", "#", label), []).append(of_job)
    kept = {
        name: f"{len(keys)} {hashlib.sha256(' '.join(keys).encode()).hexdigest()[:16]}"
        for name, keys in groups.items()
    }
    return {"plan": key[:16], "jobs": kept}


@contextlib.contextmanager
def workplace(folder: Path) -> Iterator[list[str]]:
    """Be in `folder`, with all that the cases name, and with stand-ins for what a machine may lack.

    Gives the cases that can be planned here.
    """
    _write_folders(folder)
    here = [name for name, place in SHARED.items() if place.is_dir()]
    for name in here:
        (folder / name).symlink_to(SHARED[name].resolve())
    known = (detectors.registry.FINDERS, detectors.registry.DETECTORS)
    before, official = [dict(table) for table in known], vars(simulators.calvin_env.CalvinEnv).copy()
    for table in known:
        table["grounding_dino"] = f"{__name__}:GroundingDinoStandIn"
        table["groundingdino_py"] = f"{__name__}:GroundingDinoPyStandIn"
    for name, method in _OFFICIAL.items():
        setattr(simulators.calvin_env.CalvinEnv, name, method)
    place = Path.cwd()
    os.chdir(folder)
    try:
        yield [*CASES, *(SHARED_CASES if len(here) == len(SHARED) else ())]
    finally:
        os.chdir(place)
        for table, content in zip(known, before):
            table.update(content)
        for name in _OFFICIAL:
            if name in official:
                setattr(simulators.calvin_env.CalvinEnv, name, official[name])
            else:
                delattr(simulators.calvin_env.CalvinEnv, name)


class _FinderStandIn:
    name, version, precision, threshold, zooms = "stand-in", "1", None, 0.35, True

    def check(self) -> None:
        pass


class GroundingDinoStandIn(_FinderStandIn):
    def __init__(self, weights: str, box_threshold: float, text_threshold: float, precision: str) -> None:
        self.version = f"1 {box_threshold:g} {text_threshold:g} {precision}"


class GroundingDinoPyStandIn(_FinderStandIn):
    def __init__(self, weights: str, box_threshold: float, text_threshold: float, python: str) -> None:
        self.version = f"1 {box_threshold:g} {text_threshold:g}"


_OFFICIAL: dict[str, Any] = {
    "__init__": lambda self, *_args, **_named: None,
    "description": lambda self: {"digest": "d", "pybullet": "3.2.7", "numpy": "1.23", "python": "3.8"},
    "close": lambda self: None,
}

_PHRASES = {"open_drawer": "pull the handle to open the drawer", "turn_on_led": "press the button"}
#: Tasks that the evaluation asks for; CALVIN's 34.
_TASK_LIST = """
rotate_red_block_right rotate_red_block_left rotate_blue_block_right rotate_blue_block_left rotate_pink_block_right
rotate_pink_block_left push_red_block_right push_red_block_left push_blue_block_right push_blue_block_left
push_pink_block_right push_pink_block_left move_slider_left move_slider_right open_drawer close_drawer
lift_red_block_table lift_red_block_slider lift_red_block_drawer lift_blue_block_table lift_blue_block_slider
lift_blue_block_drawer lift_pink_block_table lift_pink_block_slider lift_pink_block_drawer place_in_slider
place_in_drawer push_into_drawer stack_block unstack_block turn_on_lightbulb turn_off_lightbulb turn_on_led turn_off_led
"""
_TASKS = _TASK_LIST.split()


def _write_folders(folder: Path) -> None:
    _write_dataset(folder / "recorded", {"training": [100, 200], "validation": [300]})
    _write_dataset(folder / "other", {"training": [400], "validation": [500]})
    _write_dataset(folder / "overlapping", {"training": [100, 200], "validation": [200]})
    _write_dataset(folder / "says_egl", {"training": [100], "validation": [300]})
    hydra = folder / "says_egl" / "training" / ".hydra"
    hydra.mkdir()
    (hydra / "merged_config.yaml").write_text("env: {use_egl: true}\n")
    phrases = "".join(f"{task}: [do {task.replace('_', ' ')}]\n" for task in _TASKS)
    (folder / "phrases.yaml").write_text(phrases)
    for name in ("dino", "silent", "says_vision", "says_language"):
        (folder / name).mkdir()
    for name in ("silent", "says_language"):
        (folder / name / "tokenizer_config.json").write_text("{}")
    vision = {"model_type": "siglip_vision_model", "layer_norm_eps": 1e-5}
    (folder / "says_vision" / "config.json").write_text(json.dumps(vision))
    shape = {"hidden_size": 896, "num_hidden_layers": 24, "intermediate_size": 4864}
    language = {"model_type": "qwen2", "rope_theta": 5000.0, "rms_norm_eps": 1e-5, **shape}
    (folder / "says_language" / "config.json").write_text(json.dumps(language))
    try:
        from tests.simulators.clone_stand_in import make_clone
    except ImportError:  # 753aa3a, which reads nothing of it while it plans
        (folder / "clone").mkdir()
    else:
        make_clone(folder / "clone")


def _write_dataset(root: Path, splits: dict[str, list[int]]) -> None:
    """Demonstrations of four frames that begin at these frames, in archives that no library compresses."""
    for split, starts in splits.items():
        language = root / split / "lang_annotations"
        language.mkdir(parents=True)
        bounds = [(start, start + 3) for start in starts]
        for start in starts:
            _write_frames(root / split, start)
        np.save(root / split / "ep_start_end_ids.npy", np.array(bounds))
        handle = {"drawer_handle": {"box": [20, 30, 60, 70]}}
        boxes = {f"{start + step:07d}": handle for start in starts for step in range(4)}
        (root / split / "boxes.json").write_text(json.dumps(boxes))
        annotations = {
            "language": {"ann": ["open the drawer"] * len(starts), "task": ["open_drawer"] * len(starts)},
            "info": {"episodes": [], "indx": bounds},
        }
        np.save(language / "auto_lang_ann.npy", np.array(annotations, dtype=object), allow_pickle=True)
        evaluated = {
            task: {"ann": [_PHRASES.get(task, f"please {task.replace('_', ' ')}")]} for task in _TASKS
        }
        np.save(language / "embeddings.npy", np.array(evaluated, dtype=object), allow_pickle=True)


def _write_frames(folder: Path, start: int) -> None:
    random = np.random.RandomState(start)
    poses = np.cumsum(random.uniform(-0.01, 0.01, (5, 6)), axis=0)
    for step in range(4):
        moved = poses[step + 1] - poses[step]
        relative = np.clip(np.concatenate([moved[:3] / 0.02, moved[3:] / 0.05]), -1, 1)
        np.savez(
            folder / f"episode_{start + step:07d}.npz",
            rgb_static=random.randint(0, 256, (200, 200, 3), dtype=np.uint8),
            rgb_gripper=random.randint(0, 256, (84, 84, 3), dtype=np.uint8),
            robot_obs=np.concatenate([poses[step], random.randn(8), [1.0]]),
            scene_obs=random.randn(24),
            actions=np.concatenate([poses[step + 1], [1.0]]),
            rel_actions=np.concatenate([relative, [1.0]]),
        )


def main() -> int:
    git = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = {
        "commit": git.stdout.strip(),
        "versions": {name: kind.version for name, kind in KINDS.items()},
        "plans": {},
    }
    with tempfile.TemporaryDirectory() as folder, workplace(Path(folder)) as cases:
        for case in cases:
            plan = plan_of(case)
            found["plans"][case] = summary(plan.key, [(job.label, job.key) for job in plan.jobs])
    json.dump(found, sys.stdout, indent=0)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
