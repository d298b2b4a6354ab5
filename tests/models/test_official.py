"""Names of official checkpoints; values are compared in tests/parity."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from transformers import Qwen2ForCausalLM

from errors import CheckpointError, ConfigError, InvalidInput
from models.batches import Sample, collate
from models.config import ReconVLAConfig
from models.folder_identity import folder_identity
from models.official import config_of_folder, name_from_official, name_to_official
from models.official_entries import config_to_official, official_autoencoder, official_vision
from models.part_configs import AutoencoderConfig, LatentConfig
from models.reconvla import ReconVLA
from models.sizes import SEVEN_B, SMALL, TOY
from models.weight_files import open_weights
from models.weights import write_weights
from policies.checkpoint_folder import identity_of


@pytest.fixture
def official(config: ReconVLAConfig) -> ReconVLA:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    shape = AutoencoderConfig((8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=True)
    return ReconVLA(
        dataclasses.replace(
            config,
            latents=LatentConfig(channels=4, cell=4, scale=0.5, shift=0.1, autoencoder=shape),
            language=dataclasses.replace(config.language, tied_embeddings=False),
            vision=dataclasses.replace(config.vision, pooling_head=True, frozen=True),
        ),
        seed=0,
    )


def test_names_there_and_back(official: ReconVLA) -> None:
    names = list(official.state_dict())
    assert [name_from_official(name_to_official(name)) for name in names] == names
    assert name_to_official("language_model.model.norm.weight") == "model.norm.weight"
    assert name_to_official("denoiser.pos_embed") == "model.mm_inv_projector.net.pos_embed"


@pytest.mark.parametrize("layout", [False, True], ids=["ours", "official"])
def test_saved_and_loaded(official: ReconVLA, tmp_path: Path, layout: bool) -> None:
    official.save_pretrained(tmp_path, shard_bytes=100_000, official_layout=layout)
    loaded_model = ReconVLA.from_pretrained(tmp_path)
    assert loaded_model.config == official.config
    loaded = loaded_model.state_dict()
    assert set(loaded) == set(official.state_dict())
    assert all(torch.equal(loaded[name], tensor) for name, tensor in official.state_dict().items())


def test_a_fine_tuned_checkpoint_without_denoiser(official: ReconVLA, tmp_path: Path) -> None:
    """The official fine-tuning drops the denoiser's weights but keeps the autoencoder's."""
    official.save_pretrained(tmp_path, official_layout=True)
    tensors = {k: v for k, v in open_weights(tmp_path).items() if "mm_inv_projector" not in k}
    assert any("pixel_decoder" in name for name in tensors)
    write_weights(tensors, tmp_path / "model.safetensors")
    values = json.loads((tmp_path / "config.json").read_text())
    del values["reconvla_config"]
    values |= {"mm_vision_tower": "./towers/siglip", "mm_pixel_decoder": "./vae"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    for name, about in (
        ("siglip", {"vision_config": official_vision(official.config.vision)}),
        ("vae", official_autoencoder(official.config.latents)),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(about))
    bare = ReconVLA.from_pretrained(tmp_path)
    assert bare.denoiser is None
    assert torch.equal(bare.projector[0].weight, official.projector[0].weight)


def test_a_config_that_does_not_fit_its_weights(official: ReconVLA, tmp_path: Path) -> None:
    official.save_pretrained(tmp_path, official_layout=True)
    values = json.loads((tmp_path / "config.json").read_text())
    values["reconvla_config"]["language"]["mlp_width"] += 8
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"mlp_width is \d+ by its configuration, its tensors have \d+"):
        ReconVLA.from_pretrained(tmp_path)


@pytest.fixture
def released(official: ReconVLA, tmp_path: Path) -> Path:
    """A folder as the official trainer leaves it, with SigLIP and autoencoder beside the weights."""
    official.save_pretrained(tmp_path, official_layout=True)
    edit(tmp_path, reconvla_config=None, mm_vision_tower="./siglip", mm_pixel_decoder="./vae")
    for name, about in (
        ("siglip", {"model_type": "siglip_vision_model", **official_vision(official.config.vision)}),
        ("vae", {"_class_name": "AutoencoderKL", **official_autoencoder(official.config.latents)}),
    ):
        (tmp_path / name).mkdir()
        blocks = (
            {f"{way}_block_types": [f"{block}Block2D"] * 3 for way, block in BLOCKS} if name == "vae" else {}
        )
        (tmp_path / name / "config.json").write_text(json.dumps(about | blocks))
    return tmp_path


BLOCKS = (("down", "DownEncoder"), ("up", "UpDecoder"))


def edit(folder: Path, **entries: object) -> None:
    """Entries of `config.json`; None takes one out."""
    values = json.loads((folder / "config.json").read_text()) | entries
    told = {name: value for name, value in values.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(told))


def configuration(folder: Path) -> ReconVLAConfig:
    return config_of_folder(
        folder, json.loads((folder / "config.json").read_text()), open_weights(folder).stored
    )


@pytest.mark.parametrize(
    ("part", "entry", "value", "field"),
    [
        (".", "rms_norm_eps", 1e-5, "language.norm_eps"),
        (".", "num_attention_heads", 2, "language.heads"),
        ("siglip", "hidden_act", "gelu", "vision.hidden_act"),
        ("siglip", "layer_norm_eps", 1e-5, "vision.norm_eps"),
        ("vae", "use_quant_conv", True, "latents.autoencoder.quant_conv"),
        ("vae", "scaling_factor", 1.5, "latents.scale"),
    ],
)
def test_an_entry_that_means_another_computation_is_in_our_configuration(
    released: Path, part: str, entry: str, value: object, field: str
) -> None:
    before = configuration(released).all_values()
    edit(released / part, **{entry: value})
    after = configuration(released).all_values()
    for name in field.split("."):
        before, after = before[name], after[name]
    assert (before, after) == (before, value) and before != after


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [(".", "mm_projector_type", "linear"), (".", "s2", True), ("siglip", "num_channels", 1),
     ("vae", "out_channels", 4)],
)  # fmt: skip
def test_an_entry_that_nothing_computes_is_refused(
    released: Path, part: str, entry: str, value: object
) -> None:
    edit(released / part, **{entry: value})
    with pytest.raises(CheckpointError, match=rf": {entry} is {value!r}"):
        configuration(released)


def test_a_released_folder(official: ReconVLA, released: Path) -> None:
    found = ReconVLA.from_pretrained(released).config
    expected = dataclasses.replace(official.config, size=found.size)
    assert found.to_dict()["vision"] == expected.to_dict()["vision"]
    assert found.latents == expected.latents
    assert (found.language.rope_theta, found.language.heads) == (1e4, official.config.language.heads)


@pytest.mark.parametrize(
    "entries",
    [
        {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}},
        {
            "rope_theta": None,
            "rope_parameters": {
                "rope_theta": 5e5, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32
            },
        },
        {"rope_theta": None},
        {"rms_norm_eps": 1e-2, "num_attention_heads": 2, "num_key_value_heads": 1},
        {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0},
    ],
    ids=["old place", "new place", "left out", "norm and heads", "window"],
)  # fmt: skip
def test_a_released_language_model_computes_what_transformers_does(
    released: Path, tmp_path_factory: pytest.TempPathFactory, entries: dict[str, object]
) -> None:
    edit(released, **entries)
    model = ReconVLA.from_pretrained(released).language_model.eval()
    bare = tmp_path_factory.mktemp("qwen2")
    ours = ("model.vision", "model.mm_", "model.pixel")
    tensors = {name: t for name, t in open_weights(released).items() if not name.startswith(ours)}
    write_weights(tensors, bare / "model.safetensors")
    (bare / "config.json").write_text(
        json.dumps(json.loads((released / "config.json").read_text()) | {"model_type": "qwen2"})
    )
    theirs = Qwen2ForCausalLM.from_pretrained(bare).eval()
    ids = torch.arange(40)[None]
    assert torch.equal(model(ids).logits, theirs(ids).logits)


def test_pictures_of_a_released_folder(released: Path) -> None:
    """The tower's folder says it; without one there the model's own configuration does."""
    mean, std = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
    (released / "siglip/preprocessor_config.json").write_text(
        json.dumps({"image_mean": mean, "image_std": std})
    )
    with pytest.raises(
        CheckpointError, match=r"config\.json: image_mean and image_std are \[0\.5.*otherwise"
    ):
        ReconVLA.from_pretrained(released)
    edit(released, image_mean=mean, image_std=std)
    assert ReconVLA.from_pretrained(released).config.vision.image_mean == tuple(mean)
    values = json.loads((released / "config.json").read_text())
    values |= {"mm_vision_tower": "./elsewhere", "decode_image_size": None, "max_position_embeddings": 4096}
    assert config_of_folder(released, values, {}).vision.image_std == tuple(std)


def test_the_files_of_other_folders_that_decide_are_part_of_what_identifies_it(released: Path) -> None:
    before = identity_of(released)
    assert before != folder_identity(released)
    tower = json.loads((released / "siglip/config.json").read_text())
    (released / "siglip/config.json").write_text(json.dumps(tower | {"layer_norm_eps": 1e-3}))
    assert identity_of(released) != before
    edit(released, mm_vision_tower="./nowhere", mm_pixel_decoder="./nowhere")
    assert identity_of(released) == folder_identity(released)


def test_a_target_of_another_size(released: Path) -> None:
    edit(released, decode_image_size=64)
    with pytest.raises(CheckpointError, match=r"config\.json: decode_image_size is 64, where 32 px"):
        ReconVLA.from_pretrained(released)


def test_prompts_that_the_official_code_would_cut(released: Path, samples: list[Sample]) -> None:
    edit(released, tokenizer_model_max_length=30)
    config = ReconVLA.from_pretrained(released).config
    with pytest.raises(InvalidInput, match="exceeds the model's 30"):
        collate(samples, config, 0)


def test_an_edited_entry_against_our_own_part_of_the_file(official: ReconVLA, tmp_path: Path) -> None:
    official.save_pretrained(tmp_path, official_layout=True)
    edit(tmp_path, rope_theta=1e6)
    with pytest.raises(CheckpointError, match=r"disagree, language\.rope_theta is 1000000\.0 .* 10000\.0"):
        ReconVLA.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("hidden_size", "64", r"language\.hidden: must be int, got '64'"),
        ("vocab_size", "152064", r"language\.vocab_size: must be int, got '152064'"),
        ("rope_theta", None, r"language\.rope_theta: must be float, got None"),
        ("rope_parameters", 7, "an entry of a wrong kind"),
    ],
)
def test_an_entry_of_a_wrong_type(tmp_path: Path, entry: str, value: object, message: str) -> None:
    values = {name: value for name, value in config_to_official(SMALL).items() if name != "reconvla_config"}
    with pytest.raises((CheckpointError, ConfigError), match=message):
        config_of_folder(tmp_path, values | {entry: value}, {})


@pytest.mark.parametrize("channels", [None, [], 128])
def test_an_autoencoder_without_stages(official: ReconVLA, released: Path, channels: object) -> None:
    autoencoder = official_autoencoder(official.config.latents) | {"block_out_channels": channels}
    (released / "vae/config.json").write_text(json.dumps(autoencoder))
    with pytest.raises(CheckpointError, match=r"config\.json: block_out_channels must list the channels"):
        configuration(released)


def test_an_output_layer_that_should_be_the_embedding_and_is_not(official: ReconVLA, tmp_path: Path) -> None:
    """An untied model whose config.json was edited; where both are equal the file is one like any other."""
    official.save_pretrained(tmp_path, official_layout=True)
    values = json.loads((tmp_path / "config.json").read_text())
    values["reconvla_config"]["language"]["tied_embeddings"] = values["tie_word_embeddings"] = True
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(
        CheckpointError, match=r"true, but lm_head\.weight is not model\.embed_tokens\.weight"
    ):
        ReconVLA.from_pretrained(tmp_path)
    tensors = dict(open_weights(tmp_path))
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    write_weights(tensors, tmp_path / "model.safetensors")
    language = ReconVLA.from_pretrained(tmp_path).language_model
    assert language.lm_head.weight is language.model.embed_tokens.weight


@pytest.mark.parametrize(
    ("size", "folder"),
    [
        (SEVEN_B, "./siglip-so400m-patch14-384"),
        (SMALL, "./siglip-base-patch16-224"),
        (TOY, "./siglip-96x3-patch12-96"),
    ],
)
def test_the_folder_of_the_vision_tower_is_that_of_its_size(size: ReconVLAConfig, folder: str) -> None:
    assert config_to_official(size)["mm_vision_tower"] == folder


@pytest.mark.parametrize("rows", [151_646, 151_936, 152_064])
def test_action_tokens_lie_below_the_special_ones_however_many_rows_there_are(
    tmp_path: Path, rows: int
) -> None:
    values = {name: value for name, value in config_to_official(SMALL).items() if name != "reconvla_config"}
    config = config_of_folder(tmp_path, values | {"vocab_size": rows}, {})
    assert (config.language.vocab_size, config.language.action_vocab_size) == (rows, 151_643)


def test_foreign_names() -> None:
    with pytest.raises(CheckpointError, match=r"'optimizer\.step'"):
        name_from_official("optimizer.step")
    with pytest.raises(CheckpointError, match=r"'optimizer\.step' has no official name"):
        name_to_official("optimizer.step")


def test_the_fixed_projection_of_a_toy_has_a_name_in_the_official_layout(
    model: ReconVLA, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path, official_layout=True)
    assert "model.pixel_decoder.basis" in open_weights(tmp_path)
    loaded = ReconVLA.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


def test_a_tower_that_lacks_a_size(released: Path) -> None:
    edit(released / "siglip", model_type=None, image_size=None)
    with pytest.raises(CheckpointError, match="lacks the entry 'image_size'"):
        configuration(released)
