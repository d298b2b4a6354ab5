"""Attention maps and how they are scored."""

import numpy as np
import pytest
import torch

from errors import InvalidInput
from models.attention import action_attention, gaze_coverage, mass_in_gaze, points_at_gaze
from models.batches import Sample
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
