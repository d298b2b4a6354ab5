"""Checkpoints of strangers: what their configurations tell of is compared with their tensors before a model is made.

Each case is a small sound folder in which one thing is replaced. A model is never begun: making one fails the test.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from detectors import grounding_dino_files
from errors import CheckpointError, InvalidInput
from models import assembly, checkpoint, openvla_checkpoint
from models.assembly import assemble
from models.config import ReconVLAConfig
from models.generation_rules import rules_of_folder
from models.json_files import read_json
from models.official import neighbour_files
from models.openvla_checkpoint import load_openvla, read_config
from models.part_configs import MOST_LAYERS, AutoencoderConfig, LatentConfig
from models.reconvla import ReconVLA
from models.stored_sizes import check_stored_sizes
from models.weight_files import open_file, open_weights
from settings.tensor_header import read_header
from tests.models.conftest import config as config
from tests.models.conftest import tokenizer as tokenizer
from tests.models.openvla_sample import TEXT, make_openvla

LONGEST_SENTENCE = 700


def sentence(refused: pytest.ExceptionInfo[BaseException], place: Path | str) -> str:
    text = str(refused.value)
    assert str(place) in text, text
    assert "\n" not in text and len(text) < LONGEST_SENTENCE and text.isprintable()
    return text


def header_file(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(**values: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | values


HEADERS: dict[str, tuple[Any, str]] = {
    "no object": ([1], "object"),
    "a text": ("x", "object"),
    "an entry that is none": ({"x": 1}, "lacks type"),
    "an entry without a type": ({"x": {"shape": [2]}}, "lacks type"),
    "a name that moves a terminal": ({"a\nb\x1b[2J": entry(shape=[3])}, r"a\nb\x1b[2J of shape (3,)"),
    "three places": ({"x": entry(data_offsets=[0, 4, 8])}, "lacks type"),
    "an unknown type": ({"x": entry(dtype="F" + "9" * 900)}, "known are"),
    "a type that is none": ({"x": entry(dtype=["F32"])}, "known are"),
    "a shape that is a text": ({"x": entry(shape="22")}, "has shape"),
    "a side below zero": ({"x": entry(shape=[-2])}, "has shape"),
    "a side that is a truth": ({"x": entry(shape=[True, 2])}, "has shape"),
    "a side with a fraction": ({"x": entry(shape=[2.0])}, "has shape"),
    "a side of 2^62": ({"x": entry(shape=[2**62])}, "no tensor has"),
    "sides of 2^40 beside none": (
        {"x": entry(shape=[0, 2**40, 2**40], data_offsets=[0, 0])},
        "no tensor has",
    ),
    "a side of many digits": ({"x": entry(shape=[10**90])}, "no tensor has"),
    "many sides": ({"x": entry(shape=[1] * 5000)}, "no tensor has"),
    "more than the file has": ({"x": entry(shape=[1 << 40], data_offsets=[0, 4 << 40])}, "should have"),
    "another place": ({"x": entry(data_offsets=[0, 2**62])}, "bytes, not 8"),
    "places of many digits": ({"x": entry(data_offsets=[10**90, 10**90 + 8])}, "does not follow"),
    "bytes of two": ({"x": entry(), "y": entry()}, "shares bytes"),
    "a gap": ({"x": entry(data_offsets=[4, 12])}, "does not follow"),
    "a long name": ({"x" * 9000: entry(shape=[3])}, "bytes, not 12"),
    "levels": (b"[" * 150 + b"]" * 150, "levels"),
    "levels beyond those of Python": (b'{"a":' * 20_000, "levels"),
    "digits": (b'{"x": ' + b"1" * 101 + b"}", "101 characters"),
    "no JSON": (b"{", "damaged"),
    "no text": (b"\xff\xfe\xfa", "damaged"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_says_too_much_is_refused(case: str, tmp_path: Path) -> None:
    header, says = HEADERS[case]
    file = header_file(tmp_path / "model.safetensors", header, bytes(8))
    for read in (open_file, lambda path: open_weights(path.parent)):
        with pytest.raises(CheckpointError) as refused:
            read(file)
        assert says in sentence(refused, file)


@pytest.mark.parametrize("length", [2, 7, 64, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_another_length_is_refused(length: int, tmp_path: Path) -> None:
    file = header_file(tmp_path / "x.safetensors", {"x": entry()}, bytes(8), length)
    with pytest.raises(CheckpointError) as refused:
        open_file(file)
    sentence(refused, file)


def test_a_header_longer_than_the_limit_is_not_read(tmp_path: Path) -> None:
    file = header_file(tmp_path / "x.safetensors", {"x": entry()}, bytes(8))
    assert read_header(file)["x"].shape == (2,)
    with pytest.raises(CheckpointError, match="its header would take") as refused:
        open_file(file, longest_header=40)
    sentence(refused, file)


@pytest.mark.parametrize("size", range(8))
def test_a_file_without_a_whole_header_is_refused(size: int, tmp_path: Path) -> None:
    (file := tmp_path / "x.safetensors").write_bytes(bytes(size))
    with pytest.raises(CheckpointError) as refused:
        open_file(file)
    sentence(refused, file)


INDEXES: dict[str, Any] = {
    "no object": [],
    "no map": {},
    "a map that is none": {"weight_map": 3},
    "a shard that is none": {"weight_map": {"x": 3}},
    "a shard outside": {"weight_map": {"x": "../x.safetensors"}},
    "a shard anywhere": {"weight_map": {"x": "/x.safetensors"}},
    "a long name": {"weight_map": {"x": "x" * 5000}},
    "a long name of few characters": {"weight_map": {"x": "名" * 90}},
    "a zero": {"weight_map": {"x": "a\0b"}},
    "half a character": {"weight_map": {"x": "\ud800"}},
    "no name": {"weight_map": {"x": ""}},
    "levels": json.loads("[" * 150 + "]" * 150),
}


@pytest.mark.parametrize("case", INDEXES)
def test_an_index_that_cannot_be_used_is_refused(case: str, tmp_path: Path) -> None:
    (index := tmp_path / "model.safetensors.index.json").write_text(json.dumps(INDEXES[case]))
    with pytest.raises(CheckpointError) as refused:
        open_weights(tmp_path)
    sentence(refused, tmp_path if case == "no name" else index)


JSON_FILES = {
    "levels of lists": "[" * 150 + "]" * 150,
    "levels of objects": '{"a":' * 150 + "1" + "}" * 150,
    "levels beyond those of Python": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "digits": '{"vocab_size": ' + "1" * 5000 + "}",
    "a list": "[]",
    "a key twice": '{"a": 1, "a": 2}',
    "a long key twice": "{" + ", ".join([f'"{"x" * 5000}": 1'] * 2) + "}",
    "nothing": "",
    "no JSON": "x" * 5000,
}


@pytest.mark.parametrize("case", JSON_FILES)
def test_json_of_a_model_is_one_sentence(case: str, tmp_path: Path) -> None:
    (file := tmp_path / "config.json").write_text(JSON_FILES[case])
    readers: tuple[Callable[[Path], Any], ...] = (read_json, ReconVLA.from_pretrained, read_config)
    for read in readers:
        with pytest.raises(InvalidInput) as refused:
            read(file if read is read_json else tmp_path)
        sentence(refused, file)
    with pytest.raises(CheckpointError) as refused:
        grounding_dino_files.check_stored(tmp_path)
    sentence(refused, tmp_path)


# --- a whole ReconVLA of ours --------------------------------------------------------------------


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins to make a model, however small, fails."""

    def made(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model was begun")

    monkeypatch.setattr(ReconVLA, "__init__", made)
    monkeypatch.setattr(openvla_checkpoint.OpenVLA, "__init__", made)


@pytest.fixture(scope="module")
def saved(config: ReconVLAConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    ReconVLA.initialise(config, 0).save_pretrained(folder)
    return folder


def replaced(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with the value at the dotted key."""
    first, _, rest = key.partition(".")
    return values | {first: replaced(values[first], rest, value) if rest else value}


def copy_with(folder: Path, to: Path, values: dict[str, Any]) -> Path:
    to.mkdir()
    (to / "model.safetensors").symlink_to(folder / "model.safetensors")
    (to / "config.json").write_text(json.dumps(values))
    return to


OURS = {"language.layers": (3, 10**7, 2**62), "language.vocab_size": (10**6, 2**62, 10**90),
        "language.hidden": (52, 2**40), "language.mlp_width": (65, 2**62), "vision.layers": (3, 10**7),
        "vision.width": (36, 2**62), "vision.mlp_width": (65, 2**62), "vision.image_size": (48, 2**62),
        "denoiser.depth": (2, 10**7), "denoiser.width": (36, 2**62), "latents.cell": (8, 2**31),
        "language.max_positions": (2**62,), "chunk_steps": (2**62,), "state_dims": (10**90,),
        "latents.channels": (2**62,), "vision.patch_size": (9, 2**62)}  # fmt: skip


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in OURS.items() for v in values])
def test_a_size_that_no_tensor_of_ours_has_is_refused(
    saved: Path, field: str, value: int, tmp_path: Path
) -> None:
    values = json.loads((saved / "config.json").read_text())
    folder = copy_with(saved, tmp_path / "strange", replaced(values, field, value))
    with pytest.raises(InvalidInput) as refused:
        ReconVLA.from_pretrained(folder)
    text = sentence(refused, folder)
    assert field.rpartition(".")[2].split("_")[0] in text or "must" in text


def test_a_sound_checkpoint_is_read(saved: Path) -> None:
    assert ReconVLA.from_pretrained(saved).config.language.layers == 2


def test_a_checkpoint_without_its_tensors_is_refused(saved: Path, no_model: None, tmp_path: Path) -> None:
    folder = copy_with(saved, tmp_path / "strange", json.loads((saved / "config.json").read_text()))
    (folder / "model.safetensors").unlink()
    save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"language\.layers is 2 by its configuration, its tensors have 0"
    ) as refused:
        ReconVLA.from_pretrained(folder)
    sentence(refused, folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layers_per_block": 40}, "layers_per_block is 40"),
        ({"block_channels": (8,) * 5}, "block_channels is 5"),
    ],
)
def test_stages_that_no_tensor_of_an_autoencoder_has_are_refused(
    config: ReconVLAConfig, change: dict[str, Any], says: str
) -> None:
    sound = {"block_channels": (8, 8), "layers_per_block": 1, "norm_groups": 4, "middle_attention": True}
    stored = {
        f"latents.autoencoder.encoder.down_blocks.{n}.resnets.0.conv1.weight": torch.zeros(1)
        for n in range(2)
    }
    shape = AutoencoderConfig(**(sound | change))  # type: ignore[arg-type]
    cell = 2 ** (len(shape.block_channels) - 1)
    latents = LatentConfig(channels=4, cell=cell, scale=1.0, shift=0.0, autoencoder=shape)
    with pytest.raises(CheckpointError) as refused:
        check_stored_sizes(dataclasses.replace(config, latents=latents), stored, "some folder", {"latents"})
    assert says in sentence(refused, "some folder")


# --- folders of parts ----------------------------------------------------------------------------

QWEN = {"model_type": "qwen2", "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": 600}  # fmt: skip
SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
          "intermediate_size": 64, "image_size": 32, "patch_size": 8}  # fmt: skip

PARTS = [
    *(("language", QWEN | {"num_hidden_layers": n}) for n in (3, 10**7, 2**62, 10**90)),
    *(
        ("language", QWEN | {"num_hidden_layers": n, "use_sliding_window": True, "sliding_window": 4})
        for n in (10**7, 2**62)
    ),
    *(
        ("language", QWEN | {name: 2**62})
        for name in ("hidden_size", "intermediate_size", "num_attention_heads")
    ),
    ("language", QWEN | {"layer_types": ["full_attention"] * 3000}),
    ("language", QWEN | {"layer_types": [["full_attention"]]}),
    ("language", QWEN | {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": "x" * 5000}),
    (
        "language",
        QWEN | {"rope_scaling": {"rope_type": "yarn", "factor": None}, "max_position_embeddings": "x"},
    ),
    (
        "language",
        QWEN | {"rope_scaling": {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 0}},
    ),
    ("language", QWEN | {"a" * 5000: "b" * 5000}),
    ("language", QWEN | {"model_type": "x" * 5000}),
    *(("vision", SIGLIP | {"num_hidden_layers": n}) for n in (3, 10**7, 2**62)),
    *(
        ("vision", SIGLIP | {name: 2**62})
        for name in ("hidden_size", "intermediate_size", "image_size", "patch_size")
    ),
    ("vision", SIGLIP | {"model_type": ["x"] * 5000}),
    ("vision", {"vision_config": ["x"] * 5000}),
]


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(("part", "values"), PARTS, ids=range(len(PARTS)))
def test_a_part_of_another_size_is_refused_by_its_file(
    config: ReconVLAConfig, part: str, values: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(values))
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InvalidInput) as refused:
        assemble(config, 0, {part: tmp_path})
    sentence(refused, tmp_path)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("part", ["language", "vision"])
def test_a_part_without_its_tensors_is_refused(config: ReconVLAConfig, part: str, tmp_path: Path) -> None:
    names = {"language": "model.embed_tokens.weight", "vision": "embeddings.patch_embedding.weight"}
    save_file({names[part]: torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="its tensors have 0") as refused:
        assemble(config, 0, {part: tmp_path})
    sentence(refused, tmp_path)


@pytest.mark.parametrize(
    "bias",
    [{"[" * 5000: 1.0}, {"(1,)": 1.0, "(" + "1" * 5000 + ",)": 1.0}, [[[1] * 3, "x" * 5000]], "x" * 5000],
    ids=["levels", "digits", "a text", "no list"],
)
def test_a_choice_of_tokens_that_cannot_be_read_is_refused(bias: Any, tmp_path: Path) -> None:
    (file := tmp_path / "generation_config.json").write_text(json.dumps({"sequence_bias": bias}))
    with pytest.raises(CheckpointError) as refused:
        rules_of_folder(tmp_path, {}, None)
    sentence(refused, file)


OFFICIAL_NEIGHBOURS = ["x" * 5000, "x/" * 5000, "名" * 300, "a\0b", "\ud800", "/" * 5000]


@pytest.mark.parametrize("named", OFFICIAL_NEIGHBOURS, ids=range(len(OFFICIAL_NEIGHBOURS)))
def test_a_neighbour_that_no_folder_is_called_is_not_there(named: str, tmp_path: Path) -> None:
    assert neighbour_files(tmp_path, {"mm_vision_tower": named, "mm_pixel_decoder": named}) == []


# --- OpenVLA -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openvla(tmp_path_factory: pytest.TempPathFactory) -> Path:
    make_openvla(folder := tmp_path_factory.mktemp("openvla"))
    return folder


OPENVLA = [
    *({"text_config": TEXT | {"num_hidden_layers": n}} for n in (3, 10**7, 2**62, "2", 0, -1, 2.5)),
    *({"text_config": TEXT | {"vocab_size": n}} for n in (32065, 2**62, 10**90)),
    *(
        {"text_config": TEXT | {name: 2**62}}
        for name in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads",
                     "max_position_embeddings")
    ),
    *({"n_action_bins": n} for n in (10**9, 2**62, 1, -3, float("inf"), "x" * 5000)),
    *({"image_sizes": [n, n]} for n in (56, 10**6, 2**62, 0, -28, 28.0, "28")),
    {"image_sizes": [[28] * 5000] * 2},
    {"pad_to_multiple_of": 10**90},
    {"pad_to_multiple_of": -(2**62)},
    {"timm_model_ids": ["x" * 5000] * 2},
    {"norm_stats": {"x" * 5000: {}}},
    {"norm_stats": {"a": {"action": {name: ["x" * 5000] for name in ("q01", "q99", "min", "max")}}}},
    {"norm_stats": {"a": {"action": {name: [0.0] * 9000 for name in ("q01", "q99", "min", "max")}}}},
]  # fmt: skip


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("change", OPENVLA, ids=range(len(OPENVLA)))
def test_a_size_that_no_tensor_of_an_openvla_has_is_refused(
    openvla: Path, change: Any, tmp_path: Path
) -> None:
    values = json.loads((openvla / "config.json").read_text()) | change
    folder = copy_with(openvla, tmp_path / "strange", values)
    with pytest.raises(CheckpointError) as refused:
        load_openvla(folder, read_config(folder))
    sentence(refused, folder / "config.json")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("vision_backbone.featurizer.patch_embed.proj.weight", (3,)),
        ("vision_backbone.featurizer.patch_embed.proj.weight", (0, 3, 14, 14)),
        ("vision_backbone.featurizer.patch_embed.proj.weight", (32, 3, 0, 14)),
        ("vision_backbone.fused_featurizer.blocks.0.mlp.fc1.weight", ()),
        ("vision_backbone.fused_featurizer.blocks.99999.mlp.fc1.weight", (1, 1)),
        ("vision_backbone.featurizer.blocks.7.mlp.fc2.weight", (1, 1)),
    ],
)
def test_a_tower_of_other_tensors_is_refused(
    openvla: Path, name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    tensors = dict(open_weights(openvla)) | {name: torch.zeros(shape)}
    folder = tmp_path / "strange"
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text((openvla / "config.json").read_text())
    with pytest.raises(CheckpointError) as refused:
        load_openvla(folder, read_config(folder))
    sentence(refused, folder)


def test_a_sound_openvla_is_read(openvla: Path) -> None:
    assert load_openvla(openvla, read_config(openvla)).shape.dino.layers == 3


# --- GroundingDINO -------------------------------------------------------------------------------

DINO = {"encoder_layers": 1, "d_model": 32, "backbone_config": {"depths": [1, 1], "embed_dim": 8},
        "text_config": {"vocab_size": 40, "num_hidden_layers": 1, "max_position_embeddings": 512}}  # fmt: skip
DINO_TENSORS = {"a": torch.zeros(40, 32), "b": torch.zeros(512, 8), "c": torch.zeros(1)}


def dino_folder(folder: Path, values: Any) -> Path:
    save_file(DINO_TENSORS, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("encoder_layers", n) for n in (4, 10**7, 2**62, 10**90)),
        ("backbone_config.depths", [1, 10**7]),
        ("backbone_config.embed_dim", 2**62),
        ("text_config.vocab_size", 2**62),
        ("text_config.num_hidden_layers", 10**7),
        ("text_config.max_position_embeddings", 10**9),
        ("d_model", -(2**62)),
        ("num_queries", 10**9),
        ("decoder_ffn_dim", 1e300),
        ("x" * 5000, {"layers": [{"y": 10**7}], "blocks": 4}),
    ],
)
def test_a_size_that_no_tensor_of_a_grounding_dino_has_is_refused(
    key: str, value: Any, tmp_path: Path
) -> None:
    folder = dino_folder(tmp_path, replaced(DINO, key, value))
    with pytest.raises(CheckpointError, match="more than its weights have") as refused:
        grounding_dino_files.check_stored(folder)
    sentence(refused, folder / "config.json")


def test_a_sound_grounding_dino_passes(tmp_path: Path) -> None:
    grounding_dino_files.check_stored(dino_folder(tmp_path, DINO))


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_of_a_grounding_dino_is_looked_at_first(case: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DINO))
    header_file(tmp_path / "model.safetensors", HEADERS[case][0], bytes(8))
    with pytest.raises(CheckpointError) as refused:
        grounding_dino_files.check_stored(tmp_path)
    assert "model.safetensors" in sentence(refused, tmp_path)


def test_no_known_model_comes_near_the_most_layers() -> None:
    assert MOST_LAYERS > 5 * 126  # Llama 3.1 405B
    assert assembly.check_stored_sizes is checkpoint.check_stored_sizes is check_stored_sizes
