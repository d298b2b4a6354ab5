"""OpenVLA from its released layout, against its blocks written out and against decoding without a cache."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from errors import CheckpointError, InvalidInput, WeightsMissing
from models.openvla import OpenVLA
from models.openvla_checkpoint import ActionStatistics, OpenVLAConfig, is_openvla, load_openvla, read_config
from models.openvla_pictures import middle, read_normalisation
from tests.models.openvla_sample import SIZE, STATISTICS, TEXT, features, make_openvla

IDS = torch.tensor([[1, 12, 13, 20, 29871]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openvla")
    make_openvla(folder)
    return folder


@pytest.fixture(scope="module")
def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def model(folder: Path) -> OpenVLA:
    return load_openvla(folder, read_config(folder))


def pixels(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 3, SIZE, SIZE, generator=generator) for _ in range(2)]


def test_the_towers_give_what_their_blocks_give(model: OpenVLA, tensors: dict[str, Tensor]) -> None:
    for seed in range(3):
        expected = features(tensors, *pixels(seed))
        with torch.inference_mode():
            torch.testing.assert_close(model.features(*pixels(seed)), expected, rtol=1e-5, atol=1e-5)


def test_tokens_are_those_of_decoding_without_a_cache(model: OpenVLA, tensors: dict[str, Tensor]) -> None:
    plain = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in TEXT.items() if k != "torch_dtype"})).eval()
    plain.load_state_dict(
        {k.removeprefix("language_model."): v for k, v in tensors.items() if "language" in k}
    )
    found = set()
    for seed in range(3):
        ids = IDS
        expected: list[int] = []
        while len(expected) < 7:
            text = plain.get_input_embeddings()(ids)
            whole = torch.cat([text[:, :1], features(tensors, *pixels(seed)), text[:, 1:]], dim=1)
            with torch.inference_mode():
                expected.append(int(plain(inputs_embeds=whole).logits[0, -1].argmax()))
            ids = torch.cat([ids, torch.tensor([expected[-1:]])], dim=1)
        assert model.generate(*pixels(seed), IDS, 7) == expected
        found.add(tuple(expected))
    assert len(found) > 1  # the picture is looked at


def test_stored_types_are_kept(tmp_path: Path) -> None:
    make_openvla(tmp_path)
    halved = {k: v.to(torch.bfloat16) for k, v in load_file(tmp_path / "model.safetensors").items()}
    save_file(halved, tmp_path / "model.safetensors")
    model = load_openvla(tmp_path, read_config(tmp_path))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    half = [view.to(torch.bfloat16) for view in pixels(0)]
    assert len(model.generate(*half, IDS, 2)) == 2


def test_ids_are_actions_from_the_end_of_the_vocabulary(folder: Path) -> None:
    config = read_config(folder)
    assert config.action_vocabulary == 32000
    step = 2 / 255
    np.testing.assert_allclose(
        config.decode([31999, 31998, 31745]), [-1 + step / 2, -1 + 3 * step / 2, 1 - step / 2]
    )
    np.testing.assert_allclose(config.decode([5, 32063]), [1 - step / 2, -1 + step / 2])  # no actions


def test_actions_get_the_units_of_their_data_set(folder: Path) -> None:
    config = read_config(folder)
    statistics = config.statistics[config.name_of(None)]
    np.testing.assert_allclose(statistics.actions(np.ones(7)), [0.8, 0.9, 1.0, 0.4, 0.5, 0.6, 1.0])
    np.testing.assert_allclose(statistics.actions(-np.ones(7)), [-0.9, -0.8, -0.7, -0.6, -0.5, -0.4, -1.0])
    np.testing.assert_allclose(statistics.actions(np.full(7, 0.25))[-1], 0.25)  # not scaled
    assert statistics.gripper_middle == 0.0


def test_statistics_of_fine_tuning_take_the_place_of_the_released_ones(tmp_path: Path) -> None:
    make_openvla(tmp_path)
    other = json.loads(json.dumps({"mine": STATISTICS["calvin"], "theirs": STATISTICS["calvin"]}))
    other["mine"]["action"] |= {"min": [-1.0] * 6 + [0.0]}
    (tmp_path / "dataset_statistics.json").write_text(json.dumps(other))
    config = read_config(tmp_path)
    assert config.statistics[config.name_of("mine")].gripper_middle == 0.5
    with pytest.raises(InvalidInput, match=r"name the data set .*\(--statistics\): mine, theirs"):
        config.name_of(None)
    with pytest.raises(InvalidInput, match="knows no data set 'calvin'; it knows: mine, theirs"):
        config.name_of("calvin")


def test_pictures_are_normalised_for_either_tower(folder: Path) -> None:
    picture = np.full((200, 200, 3), (255, 0, 51), dtype=np.uint8)
    dino, siglip = read_normalisation(folder, SIZE).views(picture, SIZE)
    assert dino.shape == siglip.shape == (3, SIZE, SIZE)
    np.testing.assert_allclose(siglip[:, 0, 0], [1.0, -1.0, -0.6], atol=1e-6)
    np.testing.assert_allclose(dino[2, 5, 5], (0.2 - 0.40625) / 0.224609375, rtol=1e-5)


def test_the_middle_of_a_picture(folder: Path) -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None], (200, 200, 3)).copy()
    ramp[..., 1] = ramp[..., 1].T
    seen = middle(ramp, 224)
    side = math.sqrt(0.9)
    places = 199 * ((1 - side) / 2 + side * np.arange(224) / 223)  # edges of the crop are the outer samples
    np.testing.assert_array_equal(seen[:, 7, 0], np.floor(places * 255.5 / 255).astype(np.uint8))
    np.testing.assert_array_equal(seen[7, :, 1], seen[:, 7, 0])
    assert seen.shape == (224, 224, 3) and seen[0, 0, 0] == 5 and seen[-1, -1, 0] == 194
    white = np.full((200, 200, 3), 255, dtype=np.uint8)
    assert (middle(white, 10) == 255).all()
    normalisation = read_normalisation(folder, SIZE)
    for cropped, other in zip(
        normalisation.views(ramp, SIZE, crop=True), normalisation.views(middle(ramp, SIZE), SIZE)
    ):
        np.testing.assert_array_equal(cropped, other)


def test_only_a_folder_that_says_so_is_an_openvla(folder: Path, tmp_path: Path) -> None:
    assert is_openvla(folder)
    assert not is_openvla(tmp_path)
    for text in ("{", "[]", '{"model_type": "reconvla"}'):
        (tmp_path / "config.json").write_text(text)
        assert not is_openvla(tmp_path)


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _truncated(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-10])


def _changed(change: Callable[[dict[str, Tensor]], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def test_a_tied_output_layer_is_the_embedding(tmp_path: Path) -> None:
    tensors = make_openvla(tmp_path, text_config={**TEXT, "tie_word_embeddings": True})
    with pytest.raises(CheckpointError, match=r"config\.json: text_config\.tie_word_embeddings is true, but"):
        load_openvla(tmp_path, read_config(tmp_path))
    tensors["language_model.lm_head.weight"] = tensors["language_model.model.embed_tokens.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors")
    load_openvla(tmp_path, read_config(tmp_path))


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        (_without_weights, WeightsMissing, "holds no weights of OpenVLA"),
        (_truncated, CheckpointError, "damaged or truncated"),
        (_changed(lambda t: t.pop("projector.fc2.bias")), CheckpointError, "missing: projector.fc2.bias"),
        (_changed(lambda t: t.update(more=torch.ones(1))), CheckpointError, "not part of the model: more"),
        (
            _changed(lambda t: t.update({"projector.fc3.bias": torch.ones(3)})),
            CheckpointError,
            r"projector\.fc3\.bias has shape \(3,\)",
        ),
        (
            _changed(lambda t: t.pop("vision_backbone.featurizer.patch_embed.proj.weight")),
            CheckpointError,
            "the weights have no vision_backbone",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(
    tmp_path: Path, damage: Callable[[Path], None], kind: type[Exception], words: str
) -> None:
    make_openvla(tmp_path)
    damage(tmp_path)
    with pytest.raises(kind, match=words):
        load_openvla(tmp_path, read_config(tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"timm_model_ids": ["vit_so400m_patch14_siglip_224"]}, "timm_model_ids must be"),
        ({"image_sizes": [28, 56]}, "image_sizes must be one size"),
        ({"image_resize_strategy": "letterbox"}, "must be 'resize-naive', got 'letterbox'"),
        ({"norm_stats": {}}, "holds no action statistics"),
        ({"norm_stats": {"x": {"action": {"q01": [0.0]}}}}, "statistics of 'x' cannot be read"),
        (
            {"norm_stats": {"x": {"action": {k: [0.0] for k in ("q01", "q99", "min", "max")}}}},
            "7 numbers each",
        ),
        *[
            (
                {
                    "norm_stats": {
                        "x": {"action": STATISTICS["calvin"]["action"] | {key: [*[0.1] * 6, value]}}
                    }
                },
                f"of 'x' cannot be read: .*{key} must",
            )
            for key in ("q01", "q99", "min", "max", "mask")
            for value in (float("nan"), float("inf"), "0.5")
        ],
        ({"text_config": {}}, "text_config.vocab_size must be a whole number"),
    ],
)
def test_configurations_of_another_kind_are_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    config = {"model_type": "openvla", "n_action_bins": 256, "pad_to_multiple_of": 64, "image_sizes": [28, 28],
              "timm_model_ids": ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
              "image_resize_strategy": "resize-naive", "text_config": TEXT, "norm_stats": STATISTICS}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=words):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"means": [[1, 2, 3]], "stds": [[1, 2, 3]]},
        {"means": [[1] * 3] * 2, "stds": [[0] * 3] * 2},
        {"means": [[1] * 3, [1, 1, float("nan")]], "stds": [[1] * 3] * 2},
        {"means": [[1] * 3] * 2, "stds": [[1] * 3, [1, float("inf"), 1]]},
    ],
)
def test_normalisation_that_cannot_be_used_is_named(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json cannot be read"):
        read_normalisation(tmp_path, SIZE)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        read_normalisation(tmp_path, SIZE)


def test_values_are_frozen(folder: Path) -> None:
    config = read_config(folder)
    assert isinstance(config, OpenVLAConfig)
    assert isinstance(config.statistics["calvin"], ActionStatistics)
    with pytest.raises(AttributeError):
        config.bins = 3  # type: ignore[misc]
