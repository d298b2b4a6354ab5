import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.base import Detection, FrameContext, NoTarget, Reason, Source
from detectors.grounding_dino.files import local_folder, missing_parts, weights_digest
from detectors.grounding_dino.finder import GroundingDinoFinder, load_model
from detectors.grounding_dino.io import caption, prepare_images
from detectors.pipeline import GazePipeline
from detectors.targets.table import BUTTON, CARRIED_BLOCK, block
from errors import CheckpointError, ConfigError, WeightsMissing
from tests.detectors.grounding_dino.tiny import write_tiny_model


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


def test_boxes_lie_in_the_image(weights):
    finder = GroundingDinoFinder(weights, box_threshold=0.0, text_threshold=0.0)
    for candidates in finder.find(list(images(3)), BUTTON):
        for candidate in candidates:
            x0, y0, x1, y1 = candidate.box
            assert 0 <= x0 < x1 <= 120
            assert 0 <= y0 < y1 <= 100
            assert 0 < candidate.score <= 1


def test_is_the_models_own_best_query(weights):
    frame = images(1)[0]
    [candidates] = GroundingDinoFinder(weights, box_threshold=0.0).find([frame], BUTTON)
    found = max(candidates, key=lambda candidate: candidate.score)
    processor, model = load_model(weights, "cpu")
    tokens = processor.tokenizer("button.", return_tensors="pt")
    with torch.inference_mode():
        outputs = model(pixel_values=prepare_images([frame], 96, 160), **tokens)
    scores = outputs.logits.sigmoid().amax(-1)[0]
    cx, cy, w, h = (outputs.pred_boxes[0, scores.argmax()] * torch.tensor([120, 100, 120, 100])).tolist()
    assert found.score == pytest.approx(scores.max().item(), abs=1e-6)
    expected = (max(0, cx - w / 2), max(0, cy - h / 2), min(120, cx + w / 2), min(100, cy + h / 2))
    assert found.box == pytest.approx(expected, abs=1e-3)


def test_neither_batch_nor_picture_size_changes_the_boxes(weights):
    frames = [*images(3), images(1, seed=1)[0, :80, :90], images(1, seed=2)[0]]
    one = GroundingDinoFinder(weights, 0.0, 0.0, batch_size=1).find(frames, BUTTON)
    many = GroundingDinoFinder(weights, 0.0, 0.0, batch_size=3).find(frames, BUTTON)
    for a, b in zip(one, many, strict=True):
        assert [c.score for c in a] == pytest.approx([c.score for c in b], abs=1e-4)
        for p, q in zip(a, b, strict=True):
            assert p.box == pytest.approx(q.box, abs=1e-2)


def test_a_phrase_is_encoded_once(weights):
    finder = GroundingDinoFinder(weights, 0.0, 0.0, batch_size=2)
    _, forward = finder._load()
    encoded = []
    forward.model.model.text_backbone.register_forward_hook(lambda *_: encoded.append(1))
    for _ in range(2):
        for target in (BUTTON, block("red")):
            finder.find(list(images(5)), target)
    assert len(encoded) == 2


def test_tiles_give_boxes_in_the_frames_own_pixels(weights):
    finder = GroundingDinoFinder(weights, box_threshold=0.0, text_threshold=0.0)
    [found] = finder.find_thoroughly([images(1)[0]], BUTTON)
    assert {candidate.source for candidate in found} == {Source.SECOND_PASS}
    assert max(candidate.box[2] for candidate in found) > 70


def test_absence_has_a_name(weights):
    frames = images(2)
    frames[1] = 0
    finder = GroundingDinoFinder(weights)
    finder.threshold = 2.0  # the random model is certain of everything
    below, blank = GazePipeline(finder, stages=()).detect(frames, [BUTTON, BUTTON])
    assert below == NoTarget(Reason.BELOW_THRESHOLD, "button")
    assert blank == NoTarget(Reason.BLANK_FRAME)


def test_carried_block_needs_the_gripper(weights):
    detector = GazePipeline(GroundingDinoFinder(weights, box_threshold=0.0, text_threshold=0.0), stages=())
    frames = images(1)[:, :, :100]
    [unknown] = detector.detect(frames, [CARRIED_BLOCK])
    assert unknown.reason is Reason.AMBIGUOUS_BLOCK
    [found] = detector.detect(frames, [CARRIED_BLOCK], FrameContext(gripper_xyz=np.array([[0.1, -0.1, 0.5]])))
    assert isinstance(found, Detection)
    assert found.phrase in ("red block", "blue block", "pink block")


def test_version_tells_weights_and_settings_apart(weights, tmp_path):
    other = str(write_tiny_model(tmp_path / "other", seed=1))
    versions = {
        GroundingDinoFinder(weights).version,
        GroundingDinoFinder(other).version,
        GroundingDinoFinder(weights, box_threshold=0.2).version,
        GroundingDinoFinder(weights, text_threshold=0.2).version,
    }
    assert len(versions) == 4
    moved = shutil.copytree(weights, tmp_path / "moved")
    assert GroundingDinoFinder(str(moved)).version == GroundingDinoFinder(weights).version


@pytest.mark.parametrize("option", [{"box_threshold": 1.5}, {"text_threshold": -0.1}, {"batch_size": 0}])
def test_bad_options_are_refused(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        GroundingDinoFinder(**option)


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("name", "said"), [("nobody/no-such-model", "the hub"), ("./no/such/folder", "no folder on this machine")]
)
def test_missing_weights_say_what_to_do(name, said):
    with pytest.raises(WeightsMissing, match="use the colour detector") as raised:
        local_folder(name)
    assert raised.value.exit_code == 3 and said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("no_hub")
def test_missing_weights_have_no_digest(tmp_path):
    for weights in ("nobody/no-such-model", str(tmp_path), str(tmp_path / "missing.pth")):
        with pytest.raises(WeightsMissing):
            weights_digest(weights)


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


def without(*names):
    def spoil(folder):
        for name in names:
            (folder / name).unlink()

    return spoil


def start_of(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:512])


def changed_config(**fields):
    def spoil(folder):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (without("config.json"), "cannot be loaded"),
        (start_of("config.json"), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("[]"), "must hold an object"),
        (changed_config(model_type="bert"), "model_type is 'bert'"),
        (changed_config(d_model=64), "has other shapes of"),
        (without("processor_config.json"), "cannot be loaded"),
        (without("tokenizer.json", "vocab.txt"), "not the words of bert-base-uncased|cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_text("version https://git"), "cannot be loaded"),
    ],
    ids=[
        "no config",
        "half a config",
        "no object",
        "BERT",
        "other sizes",
        "no processor",
        "no words",
        "pointer",
    ],
)
def test_half_a_folder_is_known_before_there_is_any_work(weights, tmp_path, capfd, spoil, sentence):
    folder = Path(shutil.copytree(weights, tmp_path / "half"))
    spoil(folder)
    finder = GroundingDinoFinder(str(folder))
    assert finder.version, "the weights are there"
    capfd.readouterr()
    with pytest.raises(CheckpointError, match=sentence) as raised:
        finder.check()
    assert "MISMATCH" not in capfd.readouterr().err
    assert "half" in str(raised.value) and "\n" not in str(raised.value)


def test_whole_weights_pass_the_check_and_are_not_kept(weights):
    finder = GroundingDinoFinder(weights)
    finder.check()
    assert finder._loaded is None


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_finds_the_same(weights, precision):
    frames = list(images(2))
    found = {
        name: GroundingDinoFinder(weights, 0.0, 0.0, device="cpu", precision=name).find(frames, BUTTON)
        for name in ("fp32", "auto", precision)
    }
    assert found["auto"] == found["fp32"] != found[precision], "on a processor auto is fp32"
    for exact, half in zip(found["fp32"], found[precision], strict=True):
        best, other = (max(candidates, key=lambda one: one.score) for candidates in (exact, half))
        assert other.score == pytest.approx(best.score, abs=0.02)
        assert half and all(np.isfinite(one.box).all() for one in half)


def test_precision_is_part_of_the_version(weights):
    assert len({GroundingDinoFinder(weights, precision=one).version for one in ("auto", "fp32", "fp16")}) == 3
    here, gpu = (GroundingDinoFinder(weights, device=device) for device in ("cpu", "cuda"))
    assert here.version == gpu.version, "a job is planned where there may be no GPU"
    assert (here.precision, gpu.precision) == ("fp32", "fp16"), "their answers are told apart all the same"
    with pytest.raises(ConfigError, match="unknown precision 'int8'"):
        GroundingDinoFinder(weights, precision="int8")


def test_what_prepares_pictures_is_part_of_the_version_too(weights, tmp_path):
    folder = Path(shutil.copytree(weights, tmp_path / "larger"))
    file = folder / "processor_config.json"
    file.write_text(file.read_text().replace('"shortest_edge": 96', '"shortest_edge": 128'))
    assert GroundingDinoFinder(str(folder)).version != GroundingDinoFinder(weights).version


def test_truncated_weights_are_damaged(weights, tmp_path):
    folder = Path(shutil.copytree(weights, tmp_path / "truncated"))
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_model(str(folder), "cpu")


def test_a_folder_says_what_it_lacks(weights, tmp_path):
    assert missing_parts(Path(weights)) == []
    folder = Path(shutil.copytree(weights, tmp_path / "half"))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    pieces = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    listed = {"weight_map": dict(enumerate(pieces))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listed))
    (folder / "processor_config.json").unlink()
    assert missing_parts(folder) == ["preprocessor_config.json or processor_config.json", pieces[1]]
    (folder / "model.safetensors.index.json").write_text("[]")
    assert missing_parts(folder)[-1] == "a readable model.safetensors.index.json"
