import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.base import Detection, FrameContext, NoTarget, Reason
from detectors.grounding_dino import (
    GroundingDinoDetector,
    _Candidate,
    best_candidate,
    caption,
    load_model,
    local_folder,
)
from detectors.targets import BUTTON, CARRIED_BLOCK, block
from errors import CheckpointError, ConfigError, WeightsMissing
from tests.detectors.tiny_grounding_dino import write_tiny_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(write_tiny_model(tmp_path_factory.mktemp("tiny_grounding_dino")))


@pytest.fixture
def no_hub(monkeypatch):
    """The hub's client, told not to use the network and to look into an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, 100, 120, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("Red  Block", "red block."), ("drawer handle.", "drawer handle."), (" a . ", "a.")],
)
def test_caption_rules(phrase, expected):
    assert caption(phrase) == expected


def test_boxes_lie_in_the_image_and_carry_the_phrase(weights):
    detector = GroundingDinoDetector(weights, box_threshold=0.0, text_threshold=0.0)
    found = detector.detect(images(3), [block("red"), BUTTON, block("blue")])
    for result, phrase in zip(found, ["red block", "button", "blue block"], strict=True):
        assert isinstance(result, Detection)
        assert result.phrase == phrase
        x0, y0, x1, y1 = result.box
        assert 0 <= x0 < x1 <= 120
        assert 0 <= y0 < y1 <= 100


def test_is_the_models_own_best_query(weights):
    frame = images(1)
    [found] = GroundingDinoDetector(weights, box_threshold=0.0).detect(frame, [BUTTON])
    processor, model = load_model(weights, "cpu")
    with torch.inference_mode():
        outputs = model(**processor(images=frame[0], text="button.", return_tensors="pt"))
    scores = outputs.logits.sigmoid().amax(-1)[0]
    cx, cy, w, h = (outputs.pred_boxes[0, scores.argmax()] * torch.tensor([120, 100, 120, 100])).tolist()
    assert found.score == pytest.approx(scores.max().item(), abs=1e-6)
    expected = (max(0, cx - w / 2), max(0, cy - h / 2), min(120, cx + w / 2), min(100, cy + h / 2))
    assert found.box == pytest.approx(expected, abs=1e-3)


def test_batch_size_does_not_change_the_boxes(weights):
    frames, targets = images(5), [block("red"), BUTTON, block("pink"), BUTTON, BUTTON]
    one = GroundingDinoDetector(weights, 0.0, 0.0, batch_size=1).detect(frames, targets)
    many = GroundingDinoDetector(weights, 0.0, 0.0, batch_size=4).detect(frames, targets)
    for a, b in zip(one, many, strict=True):
        assert a.box == pytest.approx(b.box, abs=1e-2)
        assert a.score == pytest.approx(b.score, abs=1e-4)


def test_absence_has_a_name(weights):
    frames = images(2)
    frames[1] = 0
    found = GroundingDinoDetector(weights, box_threshold=1.0).detect(frames, [BUTTON, BUTTON])
    assert found == [NoTarget(Reason.BELOW_THRESHOLD, "button"), NoTarget(Reason.BLANK_FRAME)]


def test_carried_block_needs_the_gripper(weights):
    detector = GroundingDinoDetector(weights, box_threshold=0.0, text_threshold=0.0)
    frames = images(1)[:, :, :100]
    [unknown] = detector.detect(frames, [CARRIED_BLOCK])
    assert unknown.reason is Reason.AMBIGUOUS_BLOCK
    [found] = detector.detect(frames, [CARRIED_BLOCK], FrameContext(gripper_xyz=np.array([[0.1, -0.1, 0.5]])))
    assert found.phrase in ("red block", "blue block", "pink block")


def test_a_coloured_target_wants_its_colour_in_the_words():
    red = _Candidate((0, 0, 9, 9), 0.5, "red block")
    other = _Candidate((20, 20, 29, 29), 0.9, "block")
    assert best_candidate([other, red], block("red")) == Detection((0, 0, 9, 9), 0.5, "red block")
    assert best_candidate([other], block("red")) == NoTarget(Reason.BELOW_THRESHOLD, "red block")
    assert best_candidate([red, other], BUTTON).score == 0.9


def test_version_tells_settings_apart():
    assert GroundingDinoDetector("a").version != GroundingDinoDetector("b").version
    assert GroundingDinoDetector("a").version != GroundingDinoDetector("a", box_threshold=0.2).version


@pytest.mark.parametrize("option", [{"box_threshold": 1.5}, {"text_threshold": -0.1}, {"batch_size": 0}])
def test_bad_options_are_refused(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        GroundingDinoDetector(**option)


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("name", ["nobody/no-such-model", "./no/such/folder"])
def test_missing_weights_say_what_to_do(name):
    with pytest.raises(WeightsMissing, match="use the colour detector") as raised:
        local_folder(name)
    assert raised.value.exit_code == 3
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_model_is_damaged(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_model(str(tmp_path), "cpu")


def test_weights_that_lack_tensors_are_refused_not_invented(weights, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(weights, tmp_path / "incomplete"))
    tensors = load_file(folder / "model.safetensors")
    dropped = next(name for name in tensors if "text_projection" in name)
    del tensors[dropped]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert json.loads((folder / "config.json").read_text())["model_type"] == "grounding-dino"
    with pytest.raises(CheckpointError, match="lacks 1 tensors"):
        load_model(str(folder), "cpu")


def test_truncated_weights_are_damaged(weights, tmp_path):
    folder = Path(shutil.copytree(weights, tmp_path / "truncated"))
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_model(str(folder), "cpu")
