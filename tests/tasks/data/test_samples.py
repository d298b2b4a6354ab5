"""What each arm is taught, from the same index rows."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.reconvla.arms import built_in
from models.batches import collate
from models.grounding import NO_BOX
from models.prompt import CROP_PLACEHOLDER, IGNORED_LABEL
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from tasks.data.index_reader import Index, load_index
from tasks.data.samples import STATIC_FRAME, question_of, sample_of
from tests.tasks.fake_context import input_file
from tests.training import model_spec, training_spec, write_training_index

WITH_REGION, WITHOUT_REGION = 0, 2


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    files = write_training_index(tmp_path_factory.mktemp("index"))
    return load_index([input_file("index", "index", name, path) for name, path in files.items()], 96)


def samples(arm: str, index: Index):
    recipe = recipe_of(model_spec(training_spec(1, arm=arm)))
    return recipe, sample_of(recipe, index, WITH_REGION), sample_of(recipe, index, WITHOUT_REGION)


def test_reconstruction_targets(index: Index) -> None:
    _, seen, unseen = samples("recon", index)
    np.testing.assert_array_equal(seen.target, index.targets[WITH_REGION])
    assert unseen.target is None
    _, seen, unseen = samples("whole_image_recon", index)
    np.testing.assert_array_equal(seen.target, index.images[WITH_REGION])
    np.testing.assert_array_equal(unseen.target, index.images[WITHOUT_REGION])
    for arm in ("baseline", "explicit_grounding", "cot_grounding"):
        assert [sample.target for sample in samples(arm, index)[1:]] == [None, None]


def test_explicit_grounding_sees_the_region_where_there_is_one(index: Index) -> None:
    recipe, seen, unseen = samples("explicit_grounding", index)
    np.testing.assert_array_equal(seen.crop, index.targets[WITH_REGION])
    assert CROP_PLACEHOLDER in seen.input_ids
    assert unseen.crop is None and CROP_PLACEHOLDER not in unseen.input_ids
    batch = collate([seen, unseen], recipe.config, recipe.pad_id)
    patches = recipe.config.vision.patches
    assert (batch.input_ids == CROP_PLACEHOLDER).sum(dim=1).tolist() == [patches, 0]
    model = ReconVLA(recipe.config, 0)
    loss = model(batch, None).action
    other = collate([sample_of(recipe, index, 1), unseen], recipe.config, recipe.pad_id)
    changed = batch.__class__(**{**vars(batch), "crops": other.crops})
    assert model(changed, None).action != loss, "the crop matters"
    loss.backward()
    assert model.projector[0].weight.grad.abs().sum() > 0


def test_cot_grounding_says_the_box_first(index: Index) -> None:
    recipe, seen, unseen = samples("cot_grounding", index)
    answer = seen.labels[seen.labels != IGNORED_LABEL]
    assert len(answer) == 4 + 35 + 1
    said = (recipe.prompts.actions.decode(answer[:4]) + 1) / 2 * np.tile(STATIC_FRAME, 2)
    np.testing.assert_allclose(said, index.items[WITH_REGION]["gaze"]["box"], atol=1.0)
    absent = unseen.labels[unseen.labels != IGNORED_LABEL]
    np.testing.assert_allclose(recipe.prompts.actions.decode(absent[:4]), NO_BOX, atol=1 / 255)
    plain = samples("baseline", index)[1]
    np.testing.assert_array_equal(answer[4:], plain.labels[plain.labels != IGNORED_LABEL])


@pytest.mark.parametrize("arm", built_in())
def test_a_question_is_the_sample_without_its_answer(arm: str, index: Index) -> None:
    recipe, *both = samples(arm, index)
    for row, sample in zip((WITH_REGION, WITHOUT_REGION), both):
        question = question_of(recipe, index, row)
        length = len(question.prompt)
        np.testing.assert_array_equal(question.prompt, sample.input_ids[:length])
        assert (sample.labels[:length] == IGNORED_LABEL).all()
        assert (question.crop is None) == (sample.crop is None)
