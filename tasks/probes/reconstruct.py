"""What a trained arm reconstructs on held-out frames: samples from noise beside the truth."""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from safetensors.numpy import save_file

from models.batches import collate
from models.randomness import draw_seed
from models.recipe import Recipe, device, recipe_of
from models.reconstruction import Reconstructions, peak_signal_to_noise, reconstruct
from settings.spacing import evenly_spaced
from tasks.context import Draft, Finished, Point, TaskContext
from tasks.data.index_reader import Index, load_index
from tasks.data.samples import sample_of
from tasks.evaluate.model import judged_model
from tasks.results import ReconstructResult
from tasks.specs import ReconstructSpec

#: Held-out frames that are reconstructed, evenly spaced over those with a target; sampling steps of each.
FRAMES = 8
STEPS = 200
#: Peak signal-to-noise ratios in dB; see `figures_of`.
FIGURES = ("psnr_db", "psnr_encoded_db", "psnr_mean_colour_db")


def run(context: TaskContext[ReconstructSpec]) -> Finished[ReconstructResult]:
    """Publishes a `reconstruction` artifact.

    Tensors `input` (N, S, S, 3), `truth`, `encoded` and `sampled` (N, R, R, 3), all uint8, and `rows` (N,) of
    the index; the header's `captions` are the instructions. Figures are peak signal-to-noise ratios in dB.
    """
    began = time.perf_counter()
    torch.set_num_threads(context.spec.threads)
    recipe = recipe_of(context.spec.model)
    vision = recipe.config.vision
    index = load_index(context.inputs, vision.image_size, memory=context.memory, resample=vision.resample)
    model = judged_model(context, recipe)
    rows = chosen_rows(recipe, index)
    context.spend("load", time.perf_counter() - began)
    if not rows:
        return Finished((), result=ReconstructResult(frames=0, **dict.fromkeys(FIGURES)))
    began = time.perf_counter()
    batch = collate([sample_of(recipe, index, row) for row in rows], recipe.config, recipe.pad_id)
    generator = torch.Generator().manual_seed(draw_seed(context.spec.seed, 0))
    made = reconstruct(model, batch.to(device()), generator, STEPS)
    context.spend("useful", time.perf_counter() - began)
    file = context.scratch / "reconstruction.safetensors"
    captions = [index.items[row]["instruction"] for row in rows]
    tensors = {"input": np.stack([index.images[row] for row in rows]), "rows": np.array(rows), **vars(made)}
    save_file(tensors, file, metadata={"captions": json.dumps(captions)})
    figures = figures_of(made)
    points = [Point(f"reconstruction/{name}", 0, value) for name, value in figures.items()]
    return Finished(
        [Draft("reconstruction", "samples", file)],
        points,
        result=ReconstructResult(frames=len(rows), **figures),
    )


def chosen_rows(recipe: Recipe, index: Index) -> list[int]:
    """Up to FRAMES rows that have a target, evenly spaced among evenly spaced candidates.

    AttentionScores at few items only: an index may have a million.
    """
    candidates = evenly_spaced(len(index), 16 * FRAMES)
    seen = [row for row in candidates if sample_of(recipe, index, row).target is not None]
    return [seen[place] for place in evenly_spaced(len(seen), FRAMES)] if seen else []


def figures_of(made: Reconstructions) -> dict[str, float]:
    """FIGURES of the samples; of the truth after the latents, which bounds them; and of its mean colour alone."""
    mean = np.broadcast_to(made.truth.mean(axis=(1, 2), keepdims=True), made.truth.shape)
    ratios = [peak_signal_to_noise(pictures, made.truth) for pictures in (made.sampled, made.encoded, mean)]
    return dict(zip(FIGURES, ratios, strict=True))
