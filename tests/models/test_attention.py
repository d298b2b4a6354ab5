"""Attention maps and how they are scored."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from errors import InvalidInput
from models.attention import (
    action_attention,
    attention_rows,
    centre_prior,
    composed_box,
    entropy_bits,
    gaze_coverage,
    mass_in_gaze,
    points_at_gaze,
    static_coverage,
)
from models.batches import Batch, Sample
from models.generation import generate_actions, prompt_batch
from models.images import CANVAS, STATIC_ROWS
from models.prompt import IMAGE_PLACEHOLDER, PromptBuilder
from models.reconvla import ReconVLA
from tests.models.conftest import INSTRUCTIONS


def test_maps_are_the_rows_of_the_last_layer(
    model: ReconVLA, samples: list[Sample], prompts: PromptBuilder
) -> None:
    images = [sample.image for sample in samples[:3]]
    texts = [prompts.prompt(text, np.zeros(15)) for text in INSTRUCTIONS]
    answers = generate_actions(model, images, texts).token_ids
    maps = action_attention(model, images, texts, answers)
    assert maps.shape == (3, 35, 4, 4)
    assert maps.min() >= 0
    assert maps.sum(axis=(2, 3)).max() <= 1 + 1e-5
    assert model.language_model.config._attn_implementation == "sdpa"

    # By hand, from the library's own output for one unpadded request.
    model.language_model.set_attn_implementation("eager")
    batch = prompt_batch(model, images[1:2], [np.concatenate([texts[1], answers[1][:-1]])])
    with torch.no_grad():
        last = model.language_model.model(
            inputs_embeds=model.embed(batch.input_ids, batch.images), output_attentions=True
        ).attentions[-1]
    image = batch.input_ids[0] == IMAGE_PLACEHOLDER
    expected = last[0].mean(dim=0)[-35:][:, image].unflatten(-1, (4, 4))
    np.testing.assert_allclose(maps[1], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("layer", [0, -1])
@pytest.mark.parametrize("heads", [None, [1]])
def test_rows_of_any_layer_and_head_are_those_of_the_library(
    model: ReconVLA, samples: list[Sample], prompts: PromptBuilder, layer: int, heads: list[int] | None
) -> None:
    """A padded batch: the rows of the shorter prompt must not see its padding."""
    texts = [prompts.prompt(text, np.zeros(15)) for text in INSTRUCTIONS]
    texts[0] = np.concatenate([texts[0], texts[0][-3:]])
    batch = prompt_batch(model, [sample.image for sample in samples[:3]], texts)
    assert not batch.attention_mask.all()
    last = batch.attention_mask.sum(dim=1, keepdim=True) - 1
    queries = torch.cat([last - 4, last], dim=1)
    rows = attention_rows(model, batch, queries, layer, heads)
    model.language_model.set_attn_implementation("eager")
    with torch.no_grad():
        weights = model.language_model.model(
            inputs_embeds=model.embed(batch.input_ids, batch.images),
            attention_mask=batch.attention_mask,
            output_attentions=True,
        ).attentions[layer]  # (B, heads, L, L)
    model.language_model.set_attn_implementation("sdpa")
    chosen = weights if heads is None else weights[:, heads]
    expected = torch.stack([chosen[row].mean(dim=0)[queries[row]] for row in range(3)])
    torch.testing.assert_close(rows, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(rows.sum(dim=-1), torch.ones(3, 2))


def peak_bytes(work: Callable[[], object], folder: Path) -> int:
    """Most bytes that tensors held at once while `work` ran, of those that it made."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    trace = folder / "trace.json"
    profiler.export_chrome_trace(str(trace))
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "[memory]"]
    held = np.cumsum([event["args"]["Bytes"] for event in sorted(events, key=lambda event: event["ts"])])
    return int(held.max())


def test_memory_grows_with_the_length_and_not_with_its_square(
    model: ReconVLA, samples: list[Sample], prompts: PromptBuilder, tmp_path: Path
) -> None:
    """What holds for 729 patches of a 7B model: twice the tokens, twice the bytes."""
    text, images = prompts.prompt(INSTRUCTIONS[0], np.zeros(15)), [sample.image for sample in samples[:2]]

    def batch_of(length: int, missing: int) -> Batch:
        """Two prompts of that many tokens; the second lacks `missing`, so the batch is padded."""
        longer = np.concatenate([text, np.full(length - len(text), text[-1])])
        return prompt_batch(model, images, [longer, longer[: length - missing]])

    def rows(batch: Batch) -> int:
        queries = batch.attention_mask.sum(dim=1)[:, None] - 35 + torch.arange(35)
        return peak_bytes(lambda: attention_rows(model, batch, queries), tmp_path)

    @torch.inference_mode()
    def forward(batch: Batch) -> None:
        model.hidden_states(batch.input_ids, batch.attention_mask, batch.images, batch.crops)

    @torch.inference_mode()
    def whole_weights(batch: Batch) -> None:
        states = model.embed(batch.input_ids, batch.images)
        model.language_model.model(inputs_embeds=states, output_attentions=True)

    short, long = (batch_of(length, missing=0) for length in (240, 480))
    assert rows(long) < 2.2 * rows(short)
    short, long = (batch_of(length, missing=3) for length in (240, 480))
    beside = [
        rows(batch) - peak_bytes(lambda batch=batch: forward(batch), tmp_path) for batch in (short, long)
    ]
    assert 0 < beside[1] < 2.2 * beside[0], "what the rows need beyond a forward pass"

    model.language_model.set_attn_implementation("eager")
    short, long = (
        peak_bytes(lambda length=length: whole_weights(batch_of(length, missing=0)), tmp_path)
        for length in (240, 480)
    )
    assert long > 3 * short, "the measure sees the square where the library keeps all weights"


def test_layers_and_heads_that_there_are_not(
    model: ReconVLA, samples: list[Sample], prompts: PromptBuilder
) -> None:
    texts = [prompts.prompt(INSTRUCTIONS[0], np.zeros(15))]
    ids = np.full((1, 35), 9)
    with pytest.raises(InvalidInput, match="layer 99"):
        action_attention(model, [samples[0].image], texts, ids, layer=99)
    for heads in ([99], []):
        with pytest.raises(InvalidInput, match="heads"):
            action_attention(model, [samples[0].image], texts, ids, heads=heads)


def test_maps_need_an_image(model: ReconVLA, samples: list[Sample]) -> None:
    with pytest.raises(InvalidInput, match="image in every prompt"):
        action_attention(model, [samples[0].image], [np.array([1, 2, 3])], np.full((1, 35), 9))


def test_coverage_of_a_box() -> None:
    whole = gaze_coverage((0, 0, 200, 200), (200, 200), image_size=384, patch_size=14)
    seam = STATIC_ROWS / CANVAS * 384 / 14  # 14.2 rows of patches
    assert whole.shape == (27, 27)
    assert (whole[:14, :27] == 1).all()
    assert whole[14, 0] == pytest.approx(seam - 14)
    assert (whole[15:] == 0).all()
    # A box's area is kept: 20 x 10 of 200 x 200 px, in units of patches.
    box = gaze_coverage((100, 50, 120, 60), (200, 200), image_size=384, patch_size=14)
    assert box.sum() == pytest.approx(20 / 200 * 384 / 14 * 10 / 200 * seam)
    assert np.unravel_index(box.argmax(), box.shape) == (3, 14)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (-1, 0, 4, 4), (0, 0, 201, 4)])
def test_boxes_that_are_none(box: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="box"):
        gaze_coverage(box, (200, 200), 384, 14)


def test_scores() -> None:
    coverage = np.zeros((4, 4))
    coverage[1, 2], coverage[1, 3] = 1.0, 0.5
    attention = np.full((4, 4), 0.01)
    attention[1, 2] = 0.5
    assert points_at_gaze(attention, coverage)
    assert mass_in_gaze(attention, coverage) == pytest.approx((0.5 + 0.005) / 0.65)
    attention[3, 3] = 0.9
    assert not points_at_gaze(attention, coverage)


def test_entropy() -> None:
    one = np.zeros((4, 4))
    one[2, 1] = 0.3
    assert entropy_bits(one) == 0.0
    assert entropy_bits(np.full((4, 4), 0.01)) == pytest.approx(4.0)


def test_the_centre_prior_is_highest_in_the_middle_of_the_static_picture() -> None:
    prior = centre_prior(27, 384, 14)
    row, column = np.unravel_index(prior.argmax(), prior.shape)
    assert (row, column) == (6, 13) or (row, column) == (7, 13)  # 14.2 of 27 rows are static
    assert (prior[15:] == 0).all()
    np.testing.assert_allclose(prior, prior[:, ::-1])
    assert static_coverage(27, 384, 14).sum() == pytest.approx(27 * STATIC_ROWS / CANVAS * 384 / 14)


def test_a_box_of_the_static_picture_in_the_composed_one() -> None:
    assert composed_box((0, 0, 200, 200), (200, 200), 334) == pytest.approx((0, 0, 334, STATIC_ROWS))
    assert composed_box((100, 50, 150, 100), (200, 200), CANVAS) == pytest.approx(
        (CANVAS / 2, STATIC_ROWS / 4, CANVAS * 3 / 4, STATIC_ROWS / 2)
    )
