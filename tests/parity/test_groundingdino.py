"""GroundingDINO: transformers with converted weights against the official code's recorded outputs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from detectors.grounding_dino.io import caption, prepare_images, read_predictions
from detectors.grounding_dino.official import load_official_state

FOLDER = (
    Path(os.environ.get("BATON_PARITY", Path(__file__).parents[2] / "../shared/parity"))
    / "groundingdino_tiny"
)
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no recorded GroundingDINO outputs (BATON_PARITY)"
)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def meta():
    return json.loads((FOLDER / "meta.json").read_text())


@pytest.fixture(scope="module")
def recorded():
    return load_file(FOLDER / "io.safetensors")


@pytest.fixture(scope="module")
def official_state(meta):
    stored = load_file(FOLDER / "model_fp16.safetensors")
    state = {name: stored[meta["aliases"].get(name, name)] for name in meta["state_dict_keys"]}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


@pytest.fixture(scope="module")
def model(meta, official_state):
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    config, bert = meta["config"], meta["bert"]
    text_keys = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    text_keys += ("max_position_embeddings", "type_vocab_size", "layer_norm_eps", "hidden_act")
    stages = [level + 1 for level in config["return_interm_indices"]]  # transformers counts the stem too
    built = GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=SwinConfig(out_indices=stages, **meta["swin"]),
            text_config=BertConfig(**{key: bert[key] for key in text_keys}),
            d_model=config["hidden_dim"],
            encoder_layers=config["enc_layers"],
            decoder_layers=config["dec_layers"],
            encoder_attention_heads=config["nheads"],
            decoder_attention_heads=config["nheads"],
            encoder_ffn_dim=config["dim_feedforward"],
            decoder_ffn_dim=config["dim_feedforward"],
            num_queries=config["num_queries"],
            encoder_n_points=config["enc_n_points"],
            decoder_n_points=config["dec_n_points"],
            num_feature_levels=config["num_feature_levels"],
            positional_embedding_temperature=config["pe_temperatureH"],
            max_text_len=config["max_text_len"],
            disable_custom_kernels=True,
        )
    )
    load_official_state(built, official_state)
    return built.eval()


def run(model, images, token_rows):
    """Images of different sizes and captions of different lengths as one padded batch."""
    height, width = (max(image.shape[axis] for image in images) for axis in (1, 2))
    pixels = torch.zeros(len(images), 3, height, width)
    pixel_mask = torch.zeros(len(images), height, width, dtype=torch.long)
    tokens = torch.zeros(len(images), max(map(len, token_rows)), dtype=torch.long)
    token_mask = torch.zeros_like(tokens)
    for row, (image, ids) in enumerate(zip(images, token_rows, strict=True)):
        pixels[row, :, : image.shape[1], : image.shape[2]] = image
        pixel_mask[row, : image.shape[1], : image.shape[2]] = 1
        tokens[row, : len(ids)] = torch.tensor(ids)
        token_mask[row, : len(ids)] = 1
    with torch.inference_mode():
        return model(
            pixel_values=pixels,
            pixel_mask=pixel_mask,
            input_ids=tokens,
            attention_mask=token_mask,
            token_type_ids=torch.zeros_like(tokens),
        )


def same_logits(ours, theirs):
    finite = theirs.isfinite()
    assert torch.equal(ours.isfinite(), finite)
    assert torch.allclose(ours[finite], theirs[finite], atol=TOLERANCE, rtol=0)


def test_logits_and_boxes(model, meta, recorded):
    ids = meta["results"]["captions"][0]["input_ids"]
    outputs = run(model, [recorded["in.image"]], [ids])
    same_logits(outputs.logits, recorded["out.pred_logits"])
    assert torch.allclose(outputs.pred_boxes, recorded["out.pred_boxes"], atol=TOLERANCE, rtol=0)


def test_padding_does_not_change_a_sample(model, meta, recorded):
    rows = [caption["input_ids"] for caption in meta["results"]["captions"][:2]]
    outputs = run(model, [recorded["in.image"], recorded["in.image2"]], rows)
    same_logits(outputs.logits[:1], recorded["out.pred_logits"])
    assert torch.allclose(outputs.pred_boxes[:1], recorded["out.pred_boxes"], atol=TOLERANCE, rtol=0)


def test_the_official_batch_comes_out_with_its_mixed_masks(model, meta, recorded, monkeypatch):
    """The official text layer repeats the batch of masks once per head, where its attention expects each mask
    repeated: captions in a batch see each other's masks (transformer_vanilla.py). With that order imitated,
    everything else agrees; Baton's own batches keep the samples apart (test above)."""
    for layer in model.model.encoder.layers:
        monkeypatch.setattr(layer.text_enhancer_layer, "forward", _mixing(layer.text_enhancer_layer))
    rows = [caption["input_ids"] for caption in meta["results"]["captions"][:2]]
    outputs = run(model, [recorded["in.image"], recorded["in.image2"]], rows)
    same_logits(outputs.logits, recorded["out.batch_pred_logits"])
    assert torch.allclose(outputs.pred_boxes, recorded["out.batch_pred_boxes"], atol=TOLERANCE, rtol=0)


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import BertTokenizer

    return BertTokenizer(vocab=str(FOLDER / "vocab.txt"))


def recorded_runs():
    if not FOLDER.is_dir():
        return []
    captions = json.loads((FOLDER / "meta.json").read_text())["results"]["captions"]
    return [(number, run) for number, entry in enumerate(captions) for run in range(len(entry["runs"]))]


@pytest.mark.parametrize(("number", "run_number"), recorded_runs())
def test_predict_boxes_scores_and_phrases(model, meta, recorded, tokenizer, number, run_number):
    entry = meta["results"]["captions"][number]
    official = entry["runs"][run_number]
    ids = tokenizer(entry["preprocessed"])["input_ids"]
    outputs = run(model, [recorded["in.image"]], [ids])
    found = read_predictions(
        outputs.logits[0],
        outputs.pred_boxes[0],
        ids,
        tokenizer,
        official["box_threshold"],
        official["text_threshold"],
        official["remove_combined"],
    )
    assert [one.phrase for one in found] == official["phrases"]
    assert np.allclose([one.score for one in found], official["logits"], atol=TOLERANCE, rtol=0)
    boxes = np.array(official["boxes"]).reshape(-1, 4)
    assert np.allclose(np.array([one.box for one in found]).reshape(-1, 4), boxes, atol=TOLERANCE, rtol=0)


def test_captions_become_the_same_tokens_and_masks(meta, tokenizer):
    from transformers.models.grounding_dino.modeling_grounding_dino import (
        generate_masks_with_special_tokens_and_transfer_map,
    )

    special = meta["special_token_ids"]
    for entry in meta["results"]["captions"]:
        ids = tokenizer(entry["preprocessed"])["input_ids"]
        assert ids == entry["input_ids"]
        mask, positions = generate_masks_with_special_tokens_and_transfer_map(
            torch.tensor([ids]), torch.tensor(special)
        )
        assert mask[0].int().tolist() == np.array(entry["self_attention_mask"]).astype(int).tolist()
        assert positions[0].tolist() == entry["position_ids"]
        assert caption(entry["caption"]) == entry["preprocessed"]


def test_images_are_prepared_alike(meta, recorded):
    about = meta["results"]["load_image"]
    [prepared] = prepare_images([np.asarray(Image.open(FOLDER / "image.png").convert("RGB"))])
    assert list(prepared.shape) == about["shape"]
    samples = prepared[:, about["ys"]][:, :, about["xs"]]
    assert torch.allclose(samples, recorded["out.load_image_samples"], atol=TOLERANCE, rtol=0)
    assert prepared.mean().item() == pytest.approx(about["mean"], abs=TOLERANCE)


def _mixing(layer):
    original, heads = layer.forward, layer.num_heads

    def forward(hidden_states, attention_masks, position_embeddings=None):
        batch, length = attention_masks.shape[:2]
        mixed = attention_masks.repeat(heads, 1, 1).view(batch, heads, length, length).float()
        bias = (1.0 - mixed) * torch.finfo(torch.float32).min
        return original(hidden_states, attention_masks=bias, position_embeddings=position_embeddings)

    return forward
