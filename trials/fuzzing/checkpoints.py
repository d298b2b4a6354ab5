"""Mutated folders of a small model: its configuration, tokenizer and safetensors."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from trials.fuzzing.mutations import changed_bytes, changed_value


class Checkpoints:
    name = "checkpoints"
    readers = ("settings/tensor_header.py", "models/weight_files.py", "models/checkpoint.py", "models/stored_sizes.py",
               "models/json_files.py", "models/config.py", "models/beside.py", "models/weights.py")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        from models.reconvla import ReconVLA
        from models.sizes import config_of_size

        self._sound, self._folder = folder / "sound", folder / "model"
        ReconVLA(config_of_size("toy", vocab_size=300), seed=1).save_pretrained(self._sound)
        shutil.copytree(self._sound, self._folder)

    def meet(self, draw: random.Random) -> None:
        from models.reconvla import ReconVLA

        source = draw.choice(sorted(self._sound.iterdir()))
        changed, data = self._folder / source.name, source.read_bytes()
        if draw.random() < 0.2:
            data = changed_bytes(draw, data, near=(0,))
        elif source.suffix == ".json":
            data = json.dumps(changed_value(draw, json.loads(data))).encode()
        else:
            data = _changed_header(draw, data)
        changed.write_bytes(data)
        try:
            ReconVLA.from_pretrained(self._folder)
        finally:
            shutil.copy(source, changed)


def _changed_header(draw: random.Random, data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(changed_value(draw, json.loads(data[8 : 8 + length]))).encode()
    said = len(header) if draw.random() < 0.8 else draw.choice((0, 1, length, 2**31, 2**62, 2**64 - 1))
    return said.to_bytes(8, "little") + header + data[8 + length :]
