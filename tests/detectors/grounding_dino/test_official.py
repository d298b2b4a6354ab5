import pytest
import torch

from detectors.grounding_dino.finder import load_model
from detectors.grounding_dino.official import convert_state, load_official_state
from errors import CheckpointError, WeightsMissing


def test_fused_attention_is_split_in_thirds():
    fused = torch.arange(12.0).reshape(6, 2)
    converted = convert_state({"transformer.decoder.layers.3.ca_text.in_proj_weight": fused})
    stem = "model.decoder.layers.3.encoder_attn_text"
    assert set(converted) == {f"{stem}.{part}.weight" for part in ("query", "key", "value")}
    assert torch.equal(converted[f"{stem}.key.weight"], fused[2:4])
    swin = convert_state({"module.backbone.0.layers.0.blocks.1.attn.qkv.bias": torch.arange(6.0)})
    name = "model.backbone.conv_encoder.model.swin.encoder.layers.0.blocks.1.attention.v_proj.bias"
    assert torch.equal(swin[name], torch.tensor([4.0, 5.0]))


def test_computed_and_unused_tensors_are_left_out():
    unused = ("bert.pooler.dense.bias", "bert.embeddings.position_ids", "label_enc.weight")
    assert convert_state({name: torch.zeros(3) for name in unused}) == {}


def test_missing_file(tmp_path):
    with pytest.raises(WeightsMissing, match="does not exist"):
        load_model(str(tmp_path / "groundingdino_swint_ogc.pth"), "cpu")


@pytest.mark.parametrize("with_words", [True, False])
@pytest.mark.parametrize("content", [b"not a checkpoint", b""])
def test_a_damaged_file_is_blamed_whether_or_not_the_words_are_there(
    tmp_path, monkeypatch, content, with_words
):
    path = tmp_path / "groundingdino_swint_ogc.pth"
    path.write_bytes(content)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    if with_words:
        (tmp_path / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(CheckpointError, match="no official GroundingDINO checkpoint"):
        load_model(str(path), "cpu")


def test_another_size_is_named(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"model": {"backbone.0.patch_embed.proj.weight": torch.zeros(7, 3, 4, 4)}}, path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(CheckpointError, match="no official GroundingDINO checkpoint"):
        load_model(str(path), "cpu")


def test_a_file_of_another_form(tmp_path):
    path = tmp_path / "groundingdino_swint_ogc.pth"
    torch.save({"model": ["not", "a", "dict"]}, path)
    with pytest.raises(CheckpointError, match="no official GroundingDINO checkpoint"):
        load_model(str(path), "cpu")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}, "size mismatch for weight"),
        ({"weight": torch.zeros(2, 2)}, "1 tensors missing"),
        ({"weight": torch.zeros(2, 2), "bias": torch.zeros(2), "more": torch.zeros(1)}, "1 unknown"),
    ],
    ids=["another shape", "too few", "too many"],
)
def test_tensors_that_do_not_fit_are_one_sentence(state, sentence):
    with pytest.raises(CheckpointError, match=sentence) as raised:
        load_official_state(torch.nn.Linear(2, 2), state)
    assert "\n" not in str(raised.value)
