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


class Documents:
    name = "documents"
    readers = ("settings/documents.py", "settings/document_limits.py", "settings/overlays.py",
               "experiments/reconvla/named_config.py",
               "experiments/reconvla/config.py", "experiments/reconvla/count_jobs.py")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        from experiments.reconvla.named_config import PRESETS

        self._file = folder / "mine.yaml"
        self._sound = [path.read_text(encoding="utf-8") for path in sorted(PRESETS.glob("*.yaml"))]

    def meet(self, draw: random.Random) -> None:
        from experiments.reconvla.count_jobs import check_jobs
        from experiments.reconvla.named_config import load_config

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
        config = load_config("smoke", self._file)
        check_jobs(config, 100)
