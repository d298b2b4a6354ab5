"""Mutated small files that settings and commands name: sequences, phrases, policies, episodes, results, scenes."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from trials.fuzzing.mutations import changed_bytes, changed_text, changed_value

_POLICIES: tuple[dict[str, Any], ...] = (
    {"kind": "random"},
    {"kind": "http", "url": "http://127.0.0.1:9/act", "timeout_seconds": 3},
    {"kind": "openvla", "folder": "/none", "precision": "bf16"},
    {"kind": "own", "class": "mine:Mine", "options": {"gripper": 0.5}},
)
_CALIBRATIONS = {"drawer": [[0.1, 0.2], [0.5, 0.9]], "led": [[0, 0], [1, 1]]}
_OBJ_MARKS = ("v ", "f ", "usemtl ", "mtllib ", "1/1/1 ", "-1 ", "9" * 30, "nan ", "1e999 ", "\0", "é", "# ")
_XML_MARKS = ("<link>", "</robot>", "&x;", "<!DOCTYPE a [<!ENTITY x 'y'>]>", "<!--", "<![CDATA[", '"',
              "xyz=\"nan 0 0\"", "9" * 30, "\0", "é", "<joint/>", "filename=\"../x\"")  # fmt: skip


class Lists:
    name = "lists"
    readers = ("calvin/listed_sequences.py", "calvin/instructions.py", "calvin/episode_file.py", "policies/registry.py",
               "detectors/calibration.py", "tasks/evaluate/results_file.py", "simulators/playtable/calvin_scenes.py",
               "simulators/playtable/scene_values.py", "simulators/playtable/meshes.py")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        from tests.simulators.clone_stand_in import make_clone

        self._folder, self._clone = folder, make_clone(folder / "clone")
        self._readers: dict[str, Callable[[Path], object]] = _readers()
        self._sound = {name: _sound_file(folder / name, name) for name in self._readers}
        for name, sound in self._sound.items():
            self._readers[name](sound)
        self._read_scene()
        self._scene_files = [path for path in sorted(self._clone.rglob("*")) if path.is_file()]

    def meet(self, draw: random.Random) -> None:
        if draw.random() < 0.2:
            self._meet_a_scene(draw)
            return
        name = draw.choice(sorted(self._sound))
        sound = self._sound[name]
        changed = self._folder / "changed" / sound.name
        changed.parent.mkdir(exist_ok=True)
        changed.write_bytes(_changed(draw, sound))
        try:
            self._readers[name](changed)
        finally:
            shutil.rmtree(changed.parent)

    def _meet_a_scene(self, draw: random.Random) -> None:
        file = draw.choice(self._scene_files)
        sound = file.read_bytes()
        file.write_bytes(_changed(draw, file))
        try:
            self._read_scene()
        finally:
            file.write_bytes(sound)

    def _read_scene(self) -> None:
        from simulators.playtable.calvin_scenes import calvin_scene

        calvin_scene("D", self._clone)


def _changed(draw: random.Random, file: Path) -> bytes:
    data = file.read_bytes()
    if file.suffix in (".yaml", ".json") and draw.random() < 0.8:
        value = changed_value(draw, yaml.safe_load(data))
        return json.dumps(value).encode()
    if file.suffix == ".jsonl" and draw.random() < 0.8:
        lines = changed_value(draw, [json.loads(line) for line in data.splitlines()])
        return "".join(
            json.dumps(line) + "\n" for line in (lines if isinstance(lines, list) else [lines])
        ).encode()
    if file.suffix == ".safetensors" and draw.random() < 0.8:
        return _changed_episode(draw, data)
    marks = {".obj": _OBJ_MARKS, ".urdf": _XML_MARKS}.get(file.suffix)
    if marks is not None and draw.random() < 0.7:
        return changed_text(draw, data.decode("utf-8", "replace"), marks).encode("utf-8", "surrogatepass")
    return changed_bytes(draw, data, near=(0,))


def _changed_episode(draw: random.Random, data: bytes) -> bytes:
    """Another header, or other facts in it."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if draw.random() < 0.5:
        (key, text), *_ = header["__metadata__"].items()
        header["__metadata__"][key] = json.dumps(changed_value(draw, json.loads(text)))
    else:
        header = changed_value(draw, header)
    content = json.dumps(header).encode()
    return len(content).to_bytes(8, "little") + content + data[8 + length :]


def _readers() -> dict[str, Callable[[Path], object]]:
    from calvin.episode_file import load_episode
    from calvin.instructions import read_instruction_file
    from calvin.listed_sequences import listed, of_line, read_sequences_file
    from detectors.calibration import read_calibrations
    from errors import ConfigError
    from policies.registry import policy_from_json, policy_json
    from settings.documents import parse_yaml
    from settings.regular import text_of
    from tasks.evaluate.results_file import ResultsFile
    from tasks.evaluate.summary import summary

    def sequences(file: Path) -> None:
        for line in listed(read_sequences_file(file)):
            of_line(line)

    def policies(file: Path) -> None:
        content = parse_yaml(text_of(file, ConfigError), str(file), is_ours=True)
        for one in content if isinstance(content, list) else [content]:
            spec = policy_from_json(one)
            if policy_from_json(policy_json(spec)) != spec:
                raise AssertionError(f"{spec} comes back as another")

    def results(file: Path) -> None:
        summary(ResultsFile(file, _ABOUT).entries)

    return {
        "sequences": sequences,
        "phrases": read_instruction_file,
        "policies": policies,
        "episode": load_episode,
        "calibrations": lambda file: read_calibrations(file.parent),
        "results": results,
    }


_ABOUT: dict[str, Any] = {"policy": "random", "seed": 3, "scene": {"name": "D"}}


def _sound_file(folder: Path, name: str) -> Path:
    from calvin.episode_file import save_episode
    from calvin.official_phrases import validation_phrases
    from calvin.sequences import get_sequences
    from detectors.calibration import FILE_NAME
    from tasks.evaluate.results_file import ResultsFile
    from tests.calvin.samples import make_episode

    folder.mkdir()
    if name == "sequences":
        chains = [[chain.initial_state, list(chain.tasks)] for chain in get_sequences(3)]
        (file := folder / "sequences.json").write_text(json.dumps(chains))
    elif name == "phrases":
        (file := folder / "phrases.yaml").write_text(
            yaml.safe_dump({t: [p] for t, p in validation_phrases().items()})
        )
    elif name == "policies":
        (file := folder / "policies.yaml").write_text(yaml.safe_dump(list(_POLICIES)))
    elif name == "episode":
        save_episode(make_episode(0, 2), file := folder / "episode.safetensors")
    elif name == "calibrations":
        (file := folder / FILE_NAME).write_text(json.dumps(_CALIBRATIONS))
    else:
        kept = ResultsFile(file := folder / "results.jsonl", _ABOUT)
        for number in range(3):
            kept.add(
                {
                    "sequence": number,
                    "done": 1,
                    "steps": 40,
                    "tasks": ["open_drawer"] * 5,
                    "actions": [[0.5] * 7],
                }
            )
    return file
