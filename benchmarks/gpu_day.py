"""The sections of `gpu_day.sh`: what only a GPU can tell, each a process that adds its figures to one JSON file.

    digests     a training job, the same killed and resumed: equal weights; which operations have no fixed order
    steps       `small` and 7b, one sample a micro-batch with checkpointing, in full and LoRA: seconds, peak memory,
                model FLOP utilisation, with and without torch.compile
    checkpoint  how long a checkpoint of the size of 7b in 16 bits keeps training waiting, and how long it is written
    decode      an action chunk of 7b with a key-value cache and without
    ranks       one rank of a training over several devices: steps, a checkpoint beside them, equal weights from it on
    detector    GroundingDINO in half precision against float32, on pictures of noise: time, and boxes that differ

`--dry` runs all of it at tiny size on the processor. The other words are for the script, and for sections.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import made_up_index
from benchmarks.gaze_scenes import SMALL_MODEL
from benchmarks.gpu_ranks import ranks
from benchmarks.machine import describe
from benchmarks.model_memory import measure
from benchmarks.train_throughput import Context
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_model
from experiments.reconvla.named_config import load_config
from models.costs import METHODS
from models.sizes import SIZES
from settings import files
from settings.typed_json import from_json
from tasks.context import Draft, InputFile, Point
from tasks.specs import TrainingSpec, TrainSpec
from tasks.train import run as train
from tasks.train.checkpoints import CheckpointWriter, Snapshot
from tasks.train.state import OPTIMIZER, WEIGHTS

_PEAK_TFLOPS = 989.0  # dense bf16, of an H200's data sheet
_TRAINED_STEPS, _KILLED_FROM, _LOOK_SECONDS = 12, 4, 0.05


def digests(dry: bool) -> dict[str, Any]:
    size = "toy" if dry else "small"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_up_index.write(folder, 24)
        calm = _trained(folder / "calm", folder, size)
        child = _child(folder / "cut", folder, size)
        while child.poll() is None and _newest(folder / "cut") < _KILLED_FROM:
            time.sleep(_LOOK_SECONDS)
        killed_at = _newest(folder / "cut")
        child.send_signal(signal.SIGKILL)
        was_killed = child.wait() == -signal.SIGKILL
        resumed = _trained(folder / "cut", folder, size)
    return {
        "size": size,
        "steps": _TRAINED_STEPS,
        "killed": was_killed,
        "killed_after_step": killed_at,
        "resumed_from_step": resumed["begun_at"],
        "equal": calm["sha256"] == resumed["sha256"],
        "not_deterministic": sorted({*calm["not_deterministic"], *resumed["not_deterministic"]}),
    }


def steps(dry: bool) -> dict[str, Any]:
    """Sizes go by the same names in both, so that the keys are the same."""
    device = torch.device("cpu" if dry else "cuda")
    found: dict[str, Any] = {"dry_size": "toy" if dry else None}
    for size in ("small", "7b"):
        config = SIZES["toy" if dry else size]
        for method in METHODS[:2]:
            for name, backend in (("plain", None), ("compiled", "eager" if dry else "inductor")):
                peak = None if dry else _PEAK_TFLOPS
                measured = measure(config, method, 2 if dry else 5, 1, peak, device, backend)
                found.setdefault(size, {}).setdefault(method.name, {})[name] = measured
    return found


def checkpoint(dry: bool) -> dict[str, Any]:
    gib = 1 / 64 if dry else 14.3
    device = torch.device("cpu" if dry else "cuda")
    count = 4 if dry else 64
    tensors = {
        f"layer.{number}": torch.randn(int(gib * 2**30 / 2 / count), dtype=torch.bfloat16, device=device)
        for number in range(count)
    }
    stalls, writes = [], []
    with tempfile.TemporaryDirectory() as name:
        context = _Keeping(Path(name))
        with CheckpointWriter(context, Snapshot()) as writer:  # type: ignore[arg-type]
            for step in (1, 2):  # the first takes the memory that the next ones use again
                began = time.perf_counter()
                writer.begin(step, {WEIGHTS: tensors}, [], wait=False)
                writer.await_copy()
                stalls.append(time.perf_counter() - began)
                writer.finish()
                writes.append(time.perf_counter() - began)
    return {
        "gib": round(gib, 3),
        "first_stall_seconds": round(stalls[0], 4),
        "stall_seconds": round(stalls[1], 4),
        "saved_seconds": round(writes[1], 4),
    }


def decode(dry: bool) -> dict[str, Any]:
    size = "toy" if dry else "7b"
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "decode.json"
        command = [
            sys.executable,
            "-m",
            "benchmarks.decode_cache",
            "--size",
            size,
            "--rounds",
            "1" if dry else "3",
        ]
        subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
        told = json.loads(out.read_text())[size]
    return {name: told[name] for name in ("size", "device", "tokens", "milliseconds_per_chunk", "ratio")}


def detector(dry: bool) -> dict[str, Any]:
    from detectors.base import NoTarget, Target
    from detectors.grounding_dino.finder import GroundingDinoFinder

    half = "bf16" if dry else "fp16"
    pictures = list(
        np.random.default_rng(0).integers(0, 256, (2 if dry else 64, 200, 200, 3), dtype=np.uint8)
    )
    boxes: dict[str, list[int]] = {}
    seconds: dict[str, float] = {}
    for precision in ("fp32", half):
        finder = GroundingDinoFinder(
            str(SMALL_MODEL), 0.05, 0.05, "cpu" if dry else "cuda", precision=precision
        )
        target = Target("drawer_handle", "drawer handle")
        finder.find(pictures[:1], target)
        began = time.perf_counter()
        found = finder.find(pictures, target)
        seconds[precision] = time.perf_counter() - began
        boxes[precision] = [0 if isinstance(each, NoTarget) else len(each) for each in found]
    differ = sum(one != other for one, other in zip(boxes["fp32"], boxes[half]))
    return {
        "pictures": len(pictures),
        "half": half,
        "milliseconds_per_picture": {
            "fp32": round(1000 * seconds["fp32"] / len(pictures), 2),
            "half": round(1000 * seconds[half] / len(pictures), 2),
        },
        "pictures_with_another_number_of_boxes": differ,
    }


SECTIONS: dict[str, Callable[[bool], dict[str, Any]]] = {
    each.__name__: each for each in (digests, steps, checkpoint, decode, ranks, detector)
}


class _Keeping(Context):
    """A task context whose checkpoints stay in its folder, the newest named in `newest.json`."""

    def __init__(self, folder: Path, spec: Any = None, inputs: Sequence[InputFile] = ()) -> None:
        super().__init__(spec, inputs, folder)
        folder.mkdir(exist_ok=True)
        self.step = _newest(folder)
        if self.step:
            self.resume = tuple(
                _resumed(folder / f"{name}-{self.step}.safetensors", name, self.step)
                for name in (WEIGHTS, OPTIMIZER)
            )

    def should_stop(self) -> str | None:
        return None

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        self.step = step
        files.write(self.scratch / "newest.json", json.dumps(step))
        return {draft.name: draft.name for draft in artifacts}


def _resumed(file: Path, name: str, step: int) -> InputFile:
    return InputFile("resume", "checkpoint", name, file, file.name, name, step)


def _newest(folder: Path) -> int:
    file = folder / "newest.json"
    return int(json.loads(file.read_text())) if file.is_file() else 0


def _child(folder: Path, data: Path, size: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu_day",
        "train",
        "--out",
        str(folder),
        "--section",
        str(data),
    ]
    return subprocess.Popen([*command, "--size", size])


def _trained(folder: Path, data: Path, size: str) -> dict[str, Any]:
    if (code := _child(folder, data, size).wait()) != 0:
        raise RuntimeError(f"the training ended with code {code}")
    told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return told


def _train(folder: Path, data: Path, size: str) -> None:
    """One attempt, a checkpoint after every step."""
    method = built_in_method("recon")
    config = load_config("smoke", None, (f"model.size={size}",))
    settings = config.training.model_dump(mode="json") | {
        "steps": _TRAINED_STEPS, "batch_size": 2, "micro_batch": 1, "precision": "bf16", "checkpoint_seconds": 0.001,
        "gradient_checkpointing": True, "open_loop": None, "early_stopping": None,
    }  # fmt: skip
    spec = TrainSpec(
        model=planned_model(config.model, {}, method, 1.0, [made_up_index.INSTRUCTION]),
        training=from_json(TrainingSpec, settings, "training"),
        seed=0, slice_seconds=1e6, drawn_by=None, drawn_basis=None,
    )  # fmt: skip
    context = _Keeping(folder, spec, made_up_index.inputs_of(data))
    begun_at = context.step
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        train.run(context)  # type: ignore[arg-type]
    named = [
        re.match(r"(\S+) does not have a deterministic implementation", str(each.message)) for each in warned
    ]
    told = {
        "sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
        "begun_at": begun_at,
        "not_deterministic": sorted({found[1] for found in named if found}),
    }
    files.write(folder / "told.json", json.dumps(told))


def _update(out: Path, values: Mapping[str, Any]) -> None:
    held = json.loads(out.read_text()) if out.is_file() else {}
    files.write(out, json.dumps({**held, **values}, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*SECTIONS, "begin", "ended", "end", "train"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--section", default="")
    parser.add_argument("--code", type=int, default=0)
    parser.add_argument("--size", default="toy")
    options = parser.parse_args()
    if options.dry:
        torch.set_num_threads(1)
    if options.what == "train":
        _train(options.out, Path(options.section), options.size)
    elif options.what == "begin":
        if not options.dry and not torch.cuda.is_available():
            print(
                "torch sees no GPU here; --dry runs the same at tiny size on the processor", file=sys.stderr
            )
            return 3
        gpu = None if options.dry else torch.cuda.get_device_name(0)
        files.write(
            options.out, json.dumps({"dry": options.dry, "gpu": gpu, "machine": describe(), "ended": {}})
        )
    elif options.what == "ended":
        ended = json.loads(options.out.read_text())["ended"]
        _update(options.out, {"ended": {**ended, options.section: options.code}})
    elif options.what == "end":
        held = json.loads(options.out.read_text())
        print(json.dumps(held, indent=1))
        return int(any(held["ended"].values()))
    else:
        began = time.monotonic()
        found = SECTIONS[options.what](options.dry)
        _update(options.out, {options.what: {**found, "seconds": round(time.monotonic() - began, 1)}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
