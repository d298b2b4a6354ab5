"""Mutated configurations of an ablation."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path

import yaml

from trials.fuzzing.mutations import changed_bytes, changed_text, changed_value

_MARKS = (
    "&a ", "*a", "<<: *a\n", "!!int ", "!!binary ", "!x ", "? ", "- ", "[", "]", "{", "}", ": ", "#", "|\n", ">\n",
    "'", '"', "---\n", "%YAML 1.2\n", "\t", "~", "1e6", "012", "1:30", ".inf", "9" * 99, "[" * 99, "\x85", "@", "`",
)  # fmt: skip


#: Rows, rounds, what is compared and classes of one's own, beside what presets hold.
_ARMS = """
arms:
  baseline: null
  recon: null
  heavy: {base: recon, title: "+ weight 10", set: {training.reconstruction_weight: 10}}
  mine: {base: recon, judged: own, set: {gaze: {detector: "mine:Mine"}}}
  chance: {policy: {kind: random}}
  still: {policy: {kind: own, class: "mine:Mine", options: {gripper: 0.5}}}
comparison: {baseline: recon, measure: success_1}
seeds: [0, 1, 2]
"""
_ROUNDS = """
arms: [baseline, recon, recon_pretrain]
seeds: {adaptive: {max: 8, margin: 0.9, measure: avg_len, sd: 0.4}}
comparison: {baseline: baseline, measure: avg_len}
"""
_HUB = """
data: {root: "hub:lab/data@main/x", validation_root: "hub:lab/more", validation_episodes: "6-8,12",
       columns: {rgb_static: top, actions: action}, scenes: "A=0-5;B=6-8"}
model: {backbones: {vision: "hub:lab/tower", language: null}}
evaluation: {instructions: phrases.yaml, sequences_file: sequences.json}
"""


class Documents:
    name = "documents"
    readers = ("settings/documents.py", "settings/document_limits.py", "settings/overlays.py",
               "experiments/reconvla/named_config.py",
               "experiments/reconvla/config.py", "experiments/reconvla/count_jobs.py",
               "experiments/reconvla/arms.py", "experiments/reconvla/judged.py", "experiments/reconvla/adaptive.py",
               "experiments/reconvla/seeds.py", "experiments/reconvla/own_classes.py", "hub/names.py")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        from experiments.reconvla.named_config import PRESETS

        self._file = folder / "mine.yaml"
        (folder / "mine.py").write_text("class Mine: ...\n")
        presets = [path.read_text(encoding="utf-8") for path in sorted(PRESETS.glob("*.yaml"))]
        self._sound = [*presets, _ARMS, _ROUNDS, _HUB]
        for text in self._sound:
            self._file.write_text(text)
            self._read(is_deep=True)

    def meet(self, draw: random.Random) -> None:
        text, how = draw.choice(self._sound), draw.randrange(4)
        if how == 0:
            with suppress(RecursionError):  # levels that PyYAML itself cannot write
                text = yaml.safe_dump(changed_value(draw, yaml.safe_load(text)))
        elif how == 1:
            text = json.dumps(changed_value(draw, yaml.safe_load(text)))
        elif how == 2:
            text = changed_text(draw, text, _MARKS)
        data = changed_bytes(draw, text.encode()) if how == 3 else text.encode("utf-8", "surrogatepass")
        self._file.write_bytes(data)
        self._read(is_deep=draw.random() < 0.3)

    def _read(self, is_deep: bool) -> None:
        from experiments.reconvla.adaptive import prepared
        from experiments.reconvla.arms import arms_of
        from experiments.reconvla.count_jobs import check_jobs
        from experiments.reconvla.named_config import load_config

        config = load_config("smoke", self._file)
        check_jobs(config, 20_000)
        arms_of(config)
        if is_deep and config.adaptive is not None:
            prepared(config)
