"""What a rank of the tests of sharded training does: `python -m tests.tasks.train.rank_process FOLDER RANK RANKS`.

All of it in one start of the ranks, as importing takes longest; what it found is in `rank-N.json`, and the tests look.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.checkpoint import DefaultLoadPlanner
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from errors import BatonError
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer
from models.batches import Batch, Sample, collate, draw_noise
from models.config import ReconVLAConfig
from models.prompt import PromptBuilder
from models.reconvla import reconstructed
from models.sharded_checkpoint import read_manifest, save_sharded, together
from models.sharding import write_gathered
from models.sizes import config_of_size
from models.tokenizer import build_word_tokenizer
from models.weight_files import open_file
from settings.typed_json import from_json
from tasks.specs import TrainingSpec
from tasks.train import sharded
from tasks.train.batches import Counted, count_labels, draws_of
from tasks.train.gang.saving import ShardWriter
from tasks.train.sharded import ShardedState, resume, sharded_state, sharded_step
from tests.training import training_spec

STEPS, SAVED_AT = 3, 2
#: In which a run is done: precision, and whether the vision tower is frozen and the embeddings are apart.
WAYS = {"bf16": ("bf16", False), "fp32": ("fp32", False), "frozen": ("bf16", True)}
_WORDS = ("open the drawer", "push the red block left", "turn on the led")


def small_config(frozen: bool = False) -> ReconVLAConfig:
    toy = config_of_size("toy", vocab_size=len(build_word_tokenizer(_WORDS)))
    vision = replace(toy.vision, image_size=32, patch_size=8, width=32, layers=3, mlp_width=64, frozen=frozen)
    language = replace(toy.language, hidden=48, layers=2, mlp_width=64, tied_embeddings=not frozen)
    return replace(
        toy,
        vision=replace(vision, pooling_head=frozen),
        language=language,
        latents=replace(toy.latents, cell=4),
        denoiser=replace(toy.denoiser, width=32),
    )


def crop_config() -> ReconVLAConfig:
    """Prompts with the gaze region as a second picture, where a sample has one."""
    return replace(small_config(), grounding="crop")


def settings_of(precision: str, **others: Any) -> TrainingSpec:
    values = training_spec(STEPS, batch_size=7, precision=precision, gradient_checkpointing=True, **others)
    return from_json(TrainingSpec, values["training"], "training")


def parts_of(config: ReconVLAConfig, step: int, number: int = 7) -> list[Counted]:
    """Micro-batches of a sample, of which the sixth has no gaze region. With seven and two ranks, that is the second
    rank's last turn but one, and the last turn has none for it."""
    samples = _samples(config, step, number)
    draws = draw_noise(config, len(samples), torch.Generator().manual_seed(step))
    batches = [collate([sample], config, 0) for sample in samples]
    return [
        Counted(
            batch,
            None if draws is None else draws_of(draws, len(samples), number, number + 1),
            count_labels(batch),
            int(reconstructed(config, batch).sum()),
        )
        for number, batch in enumerate(batches)
    ]


def own(parts: Sequence[Counted], mesh: DeviceMesh) -> list[Counted]:
    """What of `parts` this rank is given."""
    ranks, rank = mesh.size(), mesh.get_local_rank()
    mine = list(parts[rank::ranks])
    turns = -(-len(parts) // ranks)
    return [*mine, *[replace(mine[-1], labels=0, targets=0)] * (turns - len(mine))]


def _samples(config: ReconVLAConfig, seed: int, count: int) -> list[Sample]:
    tokenizer = build_word_tokenizer(_WORDS)
    prompts = PromptBuilder(tokenizer, ActionTokenizer(len(tokenizer)), OFFICIAL_STATE_STATISTICS)
    rng, size = np.random.default_rng(seed), config.vision.image_size
    made = []
    for number in range(count):
        has_crop = config.grounding == "crop" and number != 5
        example = prompts.example(
            _WORDS[number % 3], rng.normal(size=15), rng.uniform(-1, 1, (5, 7)), crop=has_crop
        )
        image, region = (rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(2))
        target, crop = None if number == 5 else region, region if has_crop else None
        made.append(Sample(example.input_ids, example.labels, image, target, crop=crop))
    return made


def main(folder: Path, rank: int, ranks: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet",
        rank=rank,
        world_size=ranks,
        timeout=timedelta(seconds=120),
    )
    mesh = init_device_mesh("cpu", (ranks,))
    found = dict(_findings(folder, mesh))
    (folder / f"rank-{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


def _findings(folder: Path, mesh: DeviceMesh) -> Iterator[tuple[str, Any]]:
    for name in WAYS:
        state, losses = _run(folder, mesh, name)
        yield f"{name} losses", losses
        yield f"{name} digest", _weights_digest(state, folder / f"{name}-1")
    state, losses = _run(folder, mesh, "bf16")
    yield "again", [losses, _weights_digest(state, folder / "again")]
    state, losses = _run(folder, mesh, "bf16", keep_gathered=True)
    yield "kept", [losses, _weights_digest(state, folder / "kept")]
    with _by_torch():
        state, losses = _run(folder, mesh, "bf16")
    yield "by torch", [losses, _weights_digest(state, folder / "by-torch")]
    weights = open_file(folder / "start-False.safetensors")
    other = sharded_state(crop_config(), weights, settings_of("fp32"), mesh, torch.device("cpu"), "start")
    yield "crops", sharded_step(other, settings_of("fp32"), own(parts_of(crop_config(), 0), mesh))
    yield "held elements", sum(p.to_local().numel() for p in state.model.parameters())
    yield "gathers", [_gathers(state, keep) for keep in (False, True)]
    yield "units", len(state.units)
    state, _ = _run(folder, mesh, "bf16", steps=SAVED_AT)
    yield (
        "saved",
        [save_sharded(folder / name, state.tensors(), state.step, 200_000) for name in ("one", "two")],
    )
    yield "beside", _beside(state, folder, mesh)
    yield "taken", _refused(lambda: save_sharded(folder / "one", state.tensors(), state.step))
    del state
    state = begun(folder, mesh, "bf16")
    resume(state, folder / "one")
    losses = [sharded_step(state, settings_of("bf16"), own(parts_of(state.model.config, step), mesh))
              for step in range(state.step, STEPS)]  # fmt: skip
    yield "resumed", [losses, _weights_digest(state, folder / "resumed")]
    yield "one rank plans nothing", _refused(lambda: _resume_planless(state, folder / "one", mesh, 1))
    yield "one rank fails", _refused(lambda: together(lambda: _fail_on(mesh, 1)))
    yield (
        "adapters",
        _refused(lambda: begun(folder, mesh, "bf16", lora={"rank": 2, "alpha": 4, "four_bit": False})),
    )
    yield (
        "fp16",
        _refused(
            lambda: sharded_state(small_config(), {}, settings_of("fp16"), mesh, torch.device("cpu"), "")
        ),
    )


def begun(folder: Path, mesh: DeviceMesh, way: str, **settings: Any) -> ShardedState:
    precision, frozen = WAYS[way]
    weights: Mapping[str, Any] = open_file(folder / f"start-{frozen}.safetensors")
    return sharded_state(
        small_config(frozen), weights, settings_of(precision, **settings), mesh, torch.device("cpu"), "start"
    )


def _run(
    folder: Path, mesh: DeviceMesh, way: str, steps: int = STEPS, keep_gathered: bool = False
) -> tuple[ShardedState, list[dict[str, float]]]:
    state, settings = begun(folder, mesh, way), settings_of(WAYS[way][0])
    losses = [
        sharded_step(
            state, settings, own(parts_of(state.model.config, step), mesh), keep_gathered=keep_gathered
        )
        for step in range(steps)
    ]
    return state, losses


@contextmanager
def _by_torch() -> Iterator[None]:
    """Clipping and AdamW as torch has them for DTensors."""

    def clip(parameters: Sequence[torch.nn.Parameter], most: float, _: object) -> torch.Tensor:
        norm: Any = torch.nn.utils.clip_grad_norm_(parameters, most, foreach=False)
        return cast(torch.Tensor, norm.full_tensor())

    with mock.patch.multiple(sharded, clip=clip, update=torch.optim.AdamW.step):
        yield


def _beside(state: ShardedState, folder: Path, mesh: DeviceMesh) -> dict[str, Any]:
    """What is written beside a step against what is written between two, and what becomes of a folder that is taken."""
    writer, said = ShardWriter(state, timedelta(seconds=120)), list[int]()
    inline = save_sharded(folder / "inline", state.tensors(), state.step)
    for name in ("beside", "later", "beside"):
        writer.begin(folder / name, lambda step, _: said.append(step))
        parts = own(parts_of(state.model.config, state.step), mesh)
        sharded_step(state, replace(settings_of("bf16"), steps=100), parts, writer.await_copy)
    ended = _refused(writer.finish)
    digests = [inline, *(read_manifest(folder / name).digest for name in ("beside", "later"))]
    return {"digests": digests, "steps": said, "ended": ended, "busy": writer.busy}


def _gathers(state: ShardedState, keep: bool) -> int:
    """All-gathers of one step with three micro-batches a rank."""
    settings = replace(settings_of("bf16"), steps=100)
    parts = own(parts_of(state.model.config, 0)[:5], state.mesh)
    name = "all_gather_single" if hasattr(dist, "all_gather_single") else "all_gather_into_tensor"
    with mock.patch.object(dist, name, wraps=getattr(dist, name)) as gather:
        sharded_step(state, settings, parts, keep_gathered=keep)
    return gather.call_count


def _weights_digest(state: ShardedState, folder: Path) -> str:
    write_gathered(state.model, folder / "model.safetensors")
    dist.barrier()
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def _refused(work: Any) -> str:
    try:
        work()
    except (BatonError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was refused"


def _resume_planless(state: ShardedState, folder: Path, mesh: DeviceMesh, rank: int) -> None:
    broken = mock.patch.object(DefaultLoadPlanner, "create_local_plan", side_effect=ValueError("no plan"))
    with broken if mesh.get_rank() == rank else nullcontext():
        resume(state, folder)


def _fail_on(mesh: DeviceMesh, rank: int) -> Batch | None:
    if mesh.get_local_rank() == rank:
        raise OSError(28, "No space left on device")
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
