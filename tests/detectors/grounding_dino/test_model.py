"""Weights and words that can be read but not be trusted are refused by file and field."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import detectors.grounding_dino.model as models
from detectors.grounding_dino import entries
from detectors.grounding_dino.finder import GroundingDinoFinder, load_model
from detectors.grounding_dino.io import prepare_images
from detectors.grounding_dino.official import load_official
from detectors.targets.table import BUTTON
from errors import CheckpointError, WeightsMissing
from tests.detectors.grounding_dino.tiny import write_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny_grounding_dino"))


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


@pytest.fixture
def official(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An official file with its words beside it; what is read from it is the tiny model."""
    _, model = load_model(str(tiny), "cpu")
    monkeypatch.setattr(models, "load_official", lambda path: model)
    path = tmp_path / "official.pth"
    path.write_bytes(b"weights")
    shutil.copy(tiny / "vocab.txt", tmp_path)
    return path


def refused(weights: Path, *sentences: str) -> None:
    with pytest.raises(CheckpointError) as raised:
        load_model(str(weights), "cpu")
    said = str(raised.value)
    assert all(sentence in said for sentence in sentences) and "\n" not in said


def spoilt(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> str:
    """The name of the one tensor that was changed."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if "text_projection" in name)
    tensors[name] = change(tensors[name])
    save_file(tensors, file, metadata={"format": "pt"})
    return name


def test_a_model_stays_as_it_was_loaded_when_other_weights_are_copied_over_its_file(folder: Path) -> None:
    _, model = load_model(str(folder), "cpu")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with (folder / "model.safetensors").open("r+b") as file:  # as `cp` does
        file.seek(-4096, 2)
        file.write(bytes(4096))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_tensor(folder: Path, value: float) -> None:
    name = spoilt(folder, lambda tensor: torch.full_like(tensor, value))
    refused(folder, name, "not finite", str(folder))


def test_an_official_file_of_numbers_that_are_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, name = tmp_path / "official.pth", "backbone.0.patch_embed.proj.weight"
    monkeypatch.setattr("detectors.grounding_dino.official.load_official_state", lambda model, state: None)
    monkeypatch.setattr("transformers.GroundingDinoForObjectDetection", lambda config: None)
    torch.save({"model": {name: torch.zeros(96, 3, 4, 4)}}, path)
    assert load_official(path) is None
    torch.save({"model": {name: torch.full((96, 3, 4, 4), float("nan"))}}, path)
    with pytest.raises(CheckpointError, match=rf"official\.pth.* {name} .*not finite"):
        load_official(path)


@pytest.mark.parametrize(
    ("precision", "sentence"),
    [("fp32", "in fp32: its weights"), ("fp16", r"in fp16: set gaze\.precision to bf16")],
)
def test_answers_that_are_not_finite_are_no_absence(tiny: Path, precision: str, sentence: str) -> None:
    finder = GroundingDinoFinder(str(tiny), device="cpu", precision=precision)
    picture = np.zeros((100, 100, 3), np.uint8)
    finder.find([picture], BUTTON)  # places beyond the phrase are minus infinity, which is as it should be
    _, forward = finder._load()
    with torch.no_grad():
        forward.model.model.decoder.layer_norm.weight.fill_(torch.inf)  # the phrase is encoded already
    with pytest.raises(CheckpointError, match=f"not finite for 'button' {sentence}"):
        finder.find([picture], BUTTON)


@pytest.mark.parametrize(
    "size",
    [
        {"height": 100, "width": 100},
        {"shortest_edge": 96},
        {"shortest_edge": "96", "longest_edge": 160},
        {"shortest_edge": 0, "longest_edge": 160},
    ],
)
def test_pictures_of_another_preparation_are_refused_by_field(folder: Path, size: dict[str, object]) -> None:
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    content["image_processor"]["size"] = size
    file.write_text(json.dumps(content))
    refused(folder, str(file), "size is", "shortest_edge")


def test_another_kind_of_model_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MODEL_TYPES", ("mm-grounding-dino",))
    refused(folder, "config.json", "model_type is 'grounding-dino'")


@pytest.mark.parametrize("entry", ["two_stage", "embedding_init_target"])
def test_a_model_of_one_stage_is_refused_by_name(folder: Path, entry: str) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {entry: False}))
    refused(folder, f"{file}: {entry} is False; only models that propose boxes themselves are known")


def test_an_official_file_needs_words_and_they_are_part_of_the_version(
    official: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_model(str(official), "cpu")
    words = official.with_name("vocab.txt")
    before = GroundingDinoFinder(str(official)).version
    words.write_text(words.read_text().replace("red\nblue", "blue\nred"))
    assert GroundingDinoFinder(str(official)).version != before
    words.unlink()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for ask in (lambda: GroundingDinoFinder(str(official)).version, lambda: load_model(str(official), "cpu")):
        with pytest.raises(WeightsMissing, match=r"vocab\.txt, the words of official\.pth, is missing"):
            ask()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "[UNK]"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nblock\n", "not the words of bert-base-uncased"),
    ],
    ids=["empty", "no text", "cut off"],
)
def test_other_words_beside_an_official_file(official: Path, content: bytes, sentence: str) -> None:
    official.with_name("vocab.txt").write_bytes(content)
    refused(official, "vocab.txt", sentence)


def test_fewer_words_than_the_model_learned(official: Path, folder: Path) -> None:
    words = official.with_name("vocab.txt")
    words.write_text("\n".join(words.read_text().splitlines()[:-5]) + "\n")
    refused(official, "vocab.txt", "has 1025 words, the model learned 1030")
    (folder / "tokenizer.json").unlink()
    shutil.copy(words, folder)
    refused(folder, str(folder), "has 1025 words, the model learned 1030")


def test_words_that_know_no_target(official: Path) -> None:
    words = official.with_name("vocab.txt")
    words.write_text(words.read_text().replace("\nswitch\n", "\nclock\n"))
    load_model(str(official), "cpu")  # "light switch" has a word that is known
    words.write_text(words.read_text().replace("\nlight\n", "\nheavy\n"))
    refused(official, "vocab.txt", "no word of 'light switch'")


def test_as_many_words_as_bert_has_must_be_berts(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = official.with_name("vocab.txt")
    monkeypatch.setattr(models, "BERT_WORDS", 1030)
    refused(official, "vocab.txt", "in another order")
    monkeypatch.setattr(models, "BERT_DIGEST", hashlib.sha256(words.read_bytes()).hexdigest())
    load_model(str(official), "cpu")
    words.write_bytes(words.read_bytes().replace(b"\n", b"\r\n"))
    load_model(str(official), "cpu")


def _edit(folder: Path, part: str, **entries: Any) -> Path:
    """Entries of what prepares pictures (`image_processor`) or of the tokenizer's file."""
    file = folder / ("processor_config.json" if part == "image_processor" else "tokenizer.json")
    values = json.loads(file.read_text(encoding="utf-8"))
    values[part] |= entries
    file.write_text(json.dumps(values), encoding="utf-8")
    return file


def test_pictures_are_normalised_as_the_folder_says(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model")
    mean, std = [0.5, 0.4, 0.3], [0.3, 0.2, 0.1]
    _edit(folder, "image_processor", image_mean=mean, image_std=std)
    processor, _ = load_model(str(folder), "cpu")
    image = np.random.default_rng(0).integers(0, 256, (96, 130, 3), dtype=np.uint8)
    pictures = processor.image_processor
    both = [image, image[::-1].copy()]
    ours = prepare_images(both, 96, 160, pictures.image_mean, pictures.image_std)
    theirs = pictures(both, return_tensors="pt")["pixel_values"]
    assert (ours - theirs).abs().max() < 0.05  # a rounding of 1 / 255 between two ways to resize
    alone = [prepare_images([one], 96, 160, mean, std)[0] for one in both]
    assert torch.equal(ours, torch.stack(alone)), "what a picture becomes is its own"


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("resample", 3),
        ("do_rescale", False),
        ("do_normalize", False),
        ("rescale_factor", 1.0),
        ("rescale_factor", "x"),
        ("rescale_factor", float("nan")),
    ],
)
def test_pictures_prepared_otherwise_are_refused_by_name(tmp_path: Path, entry: str, value: Any) -> None:
    folder = write_tiny_model(tmp_path / "model")
    file = _edit(folder, "image_processor", **{entry: value})
    with pytest.raises(CheckpointError) as caught:
        load_model(str(folder), "cpu")
    assert str(caught.value).startswith(f"{file}: {entry} is {value!r}")


@pytest.mark.parametrize("entry", ["image_mean", "image_std"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_means_that_are_not_finite_are_refused_by_name(tmp_path: Path, entry: str, value: float) -> None:
    folder = write_tiny_model(tmp_path / "model")
    file = _edit(folder, "image_processor", **{entry: [0.5, value, 0.5]})
    with pytest.raises(CheckpointError) as caught:
        load_model(str(folder), "cpu")
    assert str(caught.value).startswith(f"{file}: {entry} must be three finite numbers")


@pytest.mark.parametrize("entries", [{"encoder_attention_heads": 0}, {"activation_function": "none"}])
def test_an_entry_that_its_library_cannot_use_is_one_sentence(
    tmp_path: Path, entries: dict[str, Any]
) -> None:
    folder = write_tiny_model(tmp_path / "model")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))
    refused(folder, "cannot be loaded: ")


def test_an_adapted_tokenizer_is_taken_as_it_stands(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model")
    plain, _ = load_model(str(folder), "cpu")
    assert plain.tokenizer("reds.")["input_ids"] != plain.tokenizer("red.")["input_ids"]
    file = folder / "tokenizer.json"
    values = json.loads(file.read_text(encoding="utf-8"))
    also = {"type": "Replace", "pattern": {"String": "reds"}, "content": "red"}
    values["normalizer"] = {"type": "Sequence", "normalizers": [values["normalizer"], also]}
    file.write_text(json.dumps(values), encoding="utf-8")
    adapted, _ = load_model(str(folder), "cpu")
    assert adapted.tokenizer("reds.")["input_ids"] == plain.tokenizer("red.")["input_ids"]
