"""`evaluate --replay`: a dataset's own demonstrations, open loop."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.table import Table

from benchmark.tasks import UNKNOWN_SCENE
from calvin.episode import Episode
from calvin.sampled_check import check_sample
from calvin.scenes import BY_PICTURES, scene_of_episode
from calvin.split import open_split
from commands.dataset_options import tell_left_out
from settings.shown import readable
from settings.streams import say
from settings.typed_json import from_json
from simulators.base import Simulator
from simulators.rendering import chosen_renderer, usual_renderer
from tasks.drawn_anew import looked_at, maker
from tasks.evaluate.chains import SimulatedScene
from tasks.evaluate.kept_simulators import KeptSimulators, simulators_of
from tasks.evaluate.replay import Replayed, replay
from tasks.memory import Memory
from views.console import Console
from views.terminal import redraws

#: Mean difference of pictures, in grey levels, above which another renderer (or scene) must have drawn them.
_OTHER_RENDERER = 2.0


def replay_and_print(
    root: Path, split: str, limit: int | None, as_json: bool, options: Mapping[str, Any]
) -> None:
    """Raises DatasetError for an unreadable dataset, SimulatorMissing where a scene cannot be had."""
    dataset = open_split(root, split)
    check_sample(dataset)
    tell_left_out(dataset)
    chosen = dataset.demonstrations[:limit]
    memory: Memory = {}
    make = maker(options["simulator"], options["assets"], options["calvin_python"])
    recording = looked_at(dataset, make if usual_renderer(options) is None else None)
    renderer = chosen_renderer(options["renderer"], recording.renderer or usual_renderer(options))

    def simulator_for(scene: str) -> Simulator:
        simulated = {
            "simulator": options["simulator"],
            "scene": options["scene"] if scene == UNKNOWN_SCENE else scene,
            "assets": options["assets"],
            "python": options["calvin_python"],
            "renderer": renderer,
            "parallel": False,
        }
        return simulators_of(from_json(SimulatedScene, simulated, "the scene"), 1, memory)[0]

    console = Console(stderr=True)
    shown = track(chosen, "replaying", console=console, disable=not redraws(sys.stderr))
    scenes: Counter[str] = Counter()

    def episodes() -> Iterator[Episode]:
        for demonstration in shown:
            episode = dataset.read(demonstration)
            told = scene_of_episode(episode)
            scenes[told.by if told.scene != UNKNOWN_SCENE else UNKNOWN_SCENE] += 1
            yield replace(episode, scene=told.scene)

    played = list(replay(episodes(), simulator_for))
    simulators = [one for kept in memory.values() if isinstance(kept, KeptSimulators) for one in kept]
    document = {
        "dataset": str(root),
        "split": split,
        "simulator": options["simulator"],
        "recorded_renderer": recording.renderer,
        "recorded_basis": recording.basis,
        "simulator_description": simulators[0].description(),
        "scenes_told_by": dict(scenes),
        "unknown_scenes_played_in": options["scene"] if scenes[UNKNOWN_SCENE] else None,
        **_figures(played),
        "demonstrations": [asdict(one) for one in played],
    }
    for simulator in simulators:
        simulator.close()
    if as_json:
        say(json.dumps(document))
    else:
        _print(document)


def _figures(played: list[Replayed]) -> dict[str, Any]:
    asked, accepted = (
        Counter(one.task for one in played),
        Counter(one.task for one in played if one.accepted_at is not None),
    )
    return {
        "played": len(played),
        "accepted": accepted.total(),
        "replays": sum(one.replays for one in played),
        "median_drift_metres": _median([one.drift_metres for one in played]),
        "static_difference": _median([one.static_difference for one in played]),
        "gripper_difference": _median([one.gripper_difference for one in played]),
        "tasks": {task: {"played": asked[task], "accepted": accepted[task]} for task in sorted(asked)},
    }


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _print(document: Mapping[str, Any]) -> None:
    document = readable(document)
    console = Console(width=None if Console().is_terminal else 120)
    table = Table(
        title=f"{document['accepted']} of {document['played']} demonstrations accepted by the oracle"
    )
    for column in ("task", "accepted", "played"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for task, score in document["tasks"].items():
        table.add_row(task, str(score["accepted"]), str(score["played"]))
    console.print(table)
    console.print(
        f"Tool {document['median_drift_metres'] * 1000:.1f} mm from the recorded one at the end (median). First "
        f"frames differ by {document['static_difference']:.2f} (static) and {document['gripper_difference']:.2f} "
        "(gripper) grey levels."
    )
    if document["replays"]:
        console.print(f"Simulators were lost and demonstrations begun again {document['replays']} times.")
    unknown = document["scenes_told_by"].get(UNKNOWN_SCENE, 0)
    if unknown:
        played_in = document["unknown_scenes_played_in"]
        console.print(
            f"The scene of {unknown} demonstrations is unknown; they were played in {played_in} (--scene)."
        )
    seen = document["scenes_told_by"].get(BY_PICTURES, 0)
    if seen:
        console.print(f"The scene of {seen} demonstrations was told by their pictures.")
    recorded, used = document["recorded_renderer"], document["simulator_description"]["renderer"]
    console.print(
        f"Renderer {recorded or 'unknown'} drew the recorded frames ({document['recorded_basis']}), {used} these."
    )
    if document["static_difference"] > _OTHER_RENDERER:
        console.print(
            "Another renderer, or another scene, drew the recorded frames: expect lower success rates."
        )
