"""What is computed once, joined or left out changes nothing: the library's own `forward` says the same."""

import pytest
import torch
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    ResNetConfig,
    SwinConfig,
)

from detectors.grounding_dino.forward import OnePhraseForward

#: [CLS], two words, the full stop and [SEP] of a phrase, and another one.
RED_BLOCK, BUTTON = (101, 7, 8, 1012, 102), (101, 9, 1012, 102)
RESNET = {
    "embedding_size": 8,
    "hidden_sizes": [8, 8, 16, 16],
    "depths": [1, 1, 2, 1],
    "out_features": ["stage2", "stage3", "stage4"],
}
TOWERS = {
    "swin": lambda: SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4]
    ),
    "resnet": lambda: ResNetConfig(**RESNET, layer_type="basic"),
    "bottleneck": lambda: ResNetConfig(**RESNET, layer_type="bottleneck"),
}


def made(kind=GroundingDinoForObjectDetection, config=GroundingDinoConfig, tower="resnet", **fields):
    """A model of random weights, none of them 0 as many are before training."""
    text = BertConfig(
        vocab_size=1030, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    sizes = {"d_model": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 48, "num_queries": 12}
    layers = {
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
    }
    torch.manual_seed(0)
    parts = {"backbone_config": TOWERS[tower](), "text_config": text}
    model = kind(config(**parts, **sizes | layers | fields)).eval()
    with torch.no_grad():
        for one in model.parameters():
            one += 0.05 * torch.randn_like(one)
        for name, one in model.named_buffers():
            if name.endswith(("running_mean", "running_var", "normalization.weight", "normalization.bias")):
                one += 0.3 * torch.rand_like(one)
    return model


def pictures(count=3, height=96, width=128):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def both(model, pixels, phrase):
    """Logits and boxes of the library, then of `OnePhraseForward`, which changes the model."""
    own = model(pixel_values=pixels, input_ids=torch.tensor([phrase] * len(pixels)))
    return (own.logits[..., : len(phrase)], own.pred_boxes), OnePhraseForward(model)(pixels, phrase)


def assert_alike(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        spread = theirs.std(1).max()  # of the queries
        assert spread > 0.05, "they differ, or it would prove little"
        assert (ours - theirs).abs().max() < 1e-3 * spread


@pytest.mark.parametrize("tower", TOWERS)
def test_boxes_and_words_are_the_librarys(tower):
    expected, found = both(made(tower=tower), pictures(), RED_BLOCK)
    assert_alike(found, expected)


@pytest.mark.parametrize(
    "fields",
    [
        {"num_feature_levels": 3},
        {"num_feature_levels": 5, "encoder_layers": 1},
        {"position_embedding_type": "learned"},
        {"decoder_bbox_embed_share": False},
        {"decoder_layers": 2, "encoder_layers": 1},
        {"max_text_len": 4},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_so_they_are_with_other_settings(fields):
    model = made(**fields)
    phrase = RED_BLOCK[: fields.get("max_text_len", 5)]
    expected, found = both(model, pictures(), phrase)
    assert_alike(found, expected)


def test_mm_grounding_dino_is_of_the_same_parts():
    model = made(MMGroundingDinoForObjectDetection, MMGroundingDinoConfig)
    expected, found = both(model, pictures(), RED_BLOCK)
    assert_alike(found, expected)


def test_neither_phrases_nor_sizes_are_mixed_up():
    """All are remembered: each has its own answer again, whatever was asked in between."""
    model = made()
    small = pictures(2, 96, 96)
    with torch.inference_mode():
        wanted = [
            (phrase, pixels, model(pixel_values=pixels, input_ids=torch.tensor([phrase] * len(pixels))))
            for phrase in (RED_BLOCK, BUTTON)
            for pixels in (pictures(), small)
        ]
        forward = OnePhraseForward(model)
        for phrase, pixels, own in [*wanted, *wanted]:
            assert_alike(forward(pixels, phrase), (own.logits[..., : len(phrase)], own.pred_boxes))


def test_longer_captions_are_cut_where_the_model_ends():
    model = made(max_text_len=4)
    with torch.inference_mode():
        forward = OnePhraseForward(model)
        for ours, same in zip(
            forward(pictures(), RED_BLOCK), forward(pictures(), RED_BLOCK[:4]), strict=True
        ):
            assert torch.equal(ours, same)
