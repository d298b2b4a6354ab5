"""The package itself, where BATON_GROUNDINGDINO_PYTHON names an interpreter that has it.

A small random checkpoint in the official layout: what comes through the pipes is what the package's own functions
give in that interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detectors.grounding_dino.py_package import GroundingDinoPyFinder
from detectors.grounding_dino.py_package_interpreter import PYTHON_VARIABLE, TRIED_VERSION, look_into
from detectors.targets.table import block
from errors import CheckpointError
from tests.detectors.grounding_dino.tiny import write_tiny_model

pytestmark = pytest.mark.skipif(
    PYTHON_VARIABLE not in os.environ, reason=f"no interpreter with groundingdino-py ({PYTHON_VARIABLE})"
)

#: The widths that the package has no other choice of; few layers.
CONFIG = """
batch_size = 1
modelname = "groundingdino"
backbone = "swin_T_224_1k"
position_embedding = "sine"
pe_temperatureH = pe_temperatureW = 20
return_interm_indices = [1, 2, 3]
backbone_freeze_keywords = None
enc_layers = dec_layers = 1
pre_norm = False
dim_feedforward = hidden_dim = 256
dropout = 0.0
nheads = 8
num_queries = 12
query_dim = 4
num_patterns = 0
num_feature_levels = 4
enc_n_points = dec_n_points = 4
two_stage_type = "standard"
two_stage_bbox_embed_share = two_stage_class_embed_share = False
transformer_activation = "relu"
dec_pred_bbox_embed_share = True
dn_box_noise_scale = 1.0
dn_label_noise_ratio = 0.5
dn_label_coef = dn_bbox_coef = 1.0
embed_init_tgt = True
dn_labelbook_size = 10
max_text_len = 256
use_text_enhancer = use_fusion_layer = use_text_cross_attention = True
use_checkpoint = use_transformer_ckpt = False
text_dropout = fusion_dropout = fusion_droppath = 0.0
sub_sentence_present = True
"""

#: Runs in the other interpreter: writes the checkpoint, prints what the package sees in the picture.
BUILD = """
import json, sys
from pathlib import Path
import torch
from groundingdino.models import build_model
from groundingdino.util.inference import load_image, predict
from groundingdino.util.slconfig import SLConfig
folder = Path(sys.argv[1])
arguments = SLConfig.fromfile(str(folder / "config.py"))
arguments.device, arguments.text_encoder_type = "cpu", str(folder / "text")
torch.manual_seed(0)
model = build_model(arguments).eval()
for name, weights in model.named_parameters():
    if weights.dim() > 1 and "bert" not in name and "backbone" not in name:
        torch.nn.init.normal_(weights, 0, 0.02)
torch.save({"model": model.state_dict()}, folder / "official.pth")
_, picture = load_image(str(folder / "picture.png"))
boxes, scores, words = predict(model, picture, "red block", 0.0, 0.0, device="cpu")
print(json.dumps([boxes.tolist(), scores.tolist(), words]))
"""


def write_text_encoder(folder: Path) -> None:
    """A BERT of 16 numbers a word, with the words of the tiny model."""
    from transformers import BertConfig, BertModel

    vocabulary = (write_tiny_model(folder) / "vocab.txt").read_text()
    for file in folder.iterdir():
        file.unlink()
    (folder / "vocab.txt").write_text(vocabulary)
    config = BertConfig(
        vocab_size=len(vocabulary.splitlines()),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(folder)


def test_its_boxes_come_through_the_pipes(tmp_path: Path) -> None:
    python = os.environ[PYTHON_VARIABLE]
    there = look_into(python)
    assert there.fault is None and there.versions["groundingdino-py"] == TRIED_VERSION
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    (tmp_path / "config.py").write_text(CONFIG)
    write_text_encoder(tmp_path / "text")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", BUILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True
    )
    boxes, scores, words = json.loads(done.stdout.splitlines()[-1])
    options = {"config": str(tmp_path / "config.py"), "text_encoder": str(tmp_path / "text")}
    finder = GroundingDinoPyFinder(
        str(tmp_path / "official.pth"), box_threshold=0.0, text_threshold=0.0, python=python, **options
    )
    try:
        [found] = finder.find([picture], block("red"))
    finally:
        finder.close()
    corners = [
        (max(0, cx - w / 2), max(0, cy - h / 2), min(1, cx + w / 2), min(1, cy + h / 2))
        for cx, cy, w, h in boxes
    ]
    expected = np.array(corners) * [80, 60, 80, 60]
    assert isinstance(found, list) and len(found) == len(expected) > 0
    np.testing.assert_allclose([one.box for one in found], expected, atol=1e-3)
    np.testing.assert_allclose([one.score for one in found], scores, atol=1e-5)
    assert [one.words for one in found] == words
    damaged(tmp_path, python, options)


def damaged(folder: Path, python: str, options: dict[str, str]) -> None:
    """One of the layers that the boxes share may be missing under one of its names; others may not."""
    state = torch.load(folder / "official.pth", weights_only=True)["model"]
    aliases = [name for name in state if name.startswith("transformer.decoder.bbox_embed.")]
    spare = ("bert.embeddings.position_ids", *aliases)
    lacking = {name: tensor for name, tensor in state.items() if name not in spare}
    for dropped in (None, "transformer.level_embed"):
        torch.save(
            {"model": {name: tensor for name, tensor in lacking.items() if name != dropped}},
            folder / "half.pth",
        )
        finder = GroundingDinoPyFinder(str(folder / "half.pth"), python=python, **options)
        picture = [np.zeros((60, 80, 3), np.uint8)]
        try:
            if dropped is None:
                assert aliases and finder.find(picture, block("red"))
            else:
                with pytest.raises(CheckpointError, match=f"lacks 1 tensors, first {dropped}"):
                    finder.find(picture, block("red"))
        finally:
            finder.close()
