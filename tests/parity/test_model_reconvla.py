"""The whole model at tiny size against the official ReconQwen2ForCausalLM."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers", reason="the recorded model has an AutoencoderKL: install the extra `vae`")

from models.attention import attention_rows
from models.batches import Batch, Draws, expand_placeholder
from models.checkpoint import weights_of
from models.generation import greedy_tokens
from models.official import name_from_official, name_to_official
from models.official_entries import config_to_official
from models.prompt import IGNORED_LABEL, IMAGE_PLACEHOLDER
from models.reconvla import ReconVLA
from tests.parity.model_fixtures import largest_difference, parity_path, read_json, read_tensors

META = read_json("reconvla_tiny/meta.json")
IO = read_tensors("reconvla_tiny/io.safetensors")
WEIGHTS = read_tensors("reconvla_tiny/model.safetensors")
#: The mean over all heads, and each by itself: a mean does not tell which head is which.
HEADS = [None, *([head] for head in range(META["llm_config"]["num_attention_heads"]))]
DRAWS = Draws(IO["in.diffusion_t"], IO["in.diffusion_noise"], IO["in.vae_posterior_noise"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording as a checkpoint folder of the official layout."""
    folder = tmp_path_factory.mktemp("official")
    named = {"mm_vision_tower": "./siglip", "mm_pixel_decoder": "./vae", "model_type": "recon_qwen2"}
    configs = {".": META["llm_config"] | named, "siglip": META["siglip_config"], "vae": META["vae_config"]}
    for name, values in configs.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(values))
    shutil.copy(parity_path("reconvla_tiny/model.safetensors"), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> ReconVLA:
    return ReconVLA.from_pretrained(folder)


def batch_of(ids: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, images: torch.Tensor) -> Batch:
    """Recorded ids, one placeholder an image, in the form of `collate`."""
    patches = META["llm_config"]["image_embed_len"]
    rows = [
        [torch.from_numpy(part) for part in expand_placeholder(i[m].numpy(), t[m].numpy(), patches)]
        for i, t, m in zip(ids, labels, mask.bool(), strict=True)
    ]

    def padded(column: int, filler: int) -> torch.Tensor:
        parts = [row[column] for row in rows]
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=filler)

    lengths = torch.tensor([len(row[0]) for row in rows])
    return Batch(
        input_ids=padded(0, META["llm_config"]["vocab_size"] - 1),
        labels=padded(1, IGNORED_LABEL),
        attention_mask=torch.arange(int(lengths.max())) < lengths[:, None],
        images=images,
        targets=IO["in.target_images"],
        target_mask=torch.ones(len(ids), dtype=torch.bool),
    )


def of_heads(weights: torch.Tensor, heads: list[int] | None) -> torch.Tensor:
    """Recorded attention (B, heads, L, L) averaged over `heads`, None for all."""
    return weights.mean(dim=1) if heads is None else weights[:, heads].mean(dim=1)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return batch_of(IO["in.input_ids"], IO["in.labels"], IO["in.attention_mask"], IO["in.images"])


@pytest.fixture(scope="module")
def hidden(model: ReconVLA, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model.hidden_states(batch.input_ids, batch.attention_mask, batch.images)


def test_names_map_both_ways(model: ReconVLA) -> None:
    again = {name_to_official(name): tensor for name, tensor in weights_of(model).items()}
    assert set(again) == set(WEIGHTS) == {name for name, _, _ in META["state_dict_keys"]}
    assert all(torch.equal(again[name], tensor) for name, tensor in WEIGHTS.items())


def test_a_saved_configuration_has_the_official_entries(model: ReconVLA) -> None:
    """But for names of folders, and what describes neither shape nor pictures."""
    ours, recorded = config_to_official(model.config), META["llm_config"]
    assert ours["mm_inv_hidden_size"] == WEIGHTS["model.mm_inv_projector.net.x_embedder.proj.weight"].shape[1]
    folders = {"mm_vision_tower", "mm_pixel_decoder", "reconstruct_image_savefolder"}
    kinds = ("mm_", "use_mm_", "image_", "decode_", "recon")
    checked = {name for name in recorded if name.startswith(kinds)} | (set(ours) & set(recorded))
    checked -= folders | {"model_type", "architectures"}
    assert {name: ours.get(name) for name in checked} == {name: recorded[name] for name in checked}


def test_splice(model: ReconVLA, batch: Batch) -> None:
    assert torch.equal(batch.labels, IO["out.new_labels"])
    assert torch.equal(batch.attention_mask, IO["out.new_attention_mask"].bool())
    with torch.no_grad():
        features = model.encode_images(batch.images)
        assert largest_difference(features, IO["out.vision_features"]) < 1e-4
        assert largest_difference(model.projector(features), IO["out.image_embeds"]) < 1e-4
        embeddings = model.embed(batch.input_ids, batch.images)
    mask = batch.attention_mask
    assert largest_difference(embeddings[mask], IO["out.inputs_embeds"][mask]) < 1e-4


def test_states_and_logits(model: ReconVLA, batch: Batch, hidden: torch.Tensor) -> None:
    mask = batch.attention_mask  # what stands at padded positions is never used
    assert largest_difference(hidden[mask], IO["out.hidden_last"][mask]) < 1e-4
    logits = model.language_model.lm_head(hidden[mask])
    assert largest_difference(logits, IO["out.eval_logits"][mask]) < 1e-4


def test_latents(model: ReconVLA) -> None:
    size = model.config.reconstruction_size
    pictures = torch.nn.functional.interpolate(
        IO["in.target_images"].clamp(-1, 1), (size, size), mode="bilinear"
    )
    with torch.no_grad():
        mean, log_variance = model.latents.posterior(pictures)
    assert largest_difference(mean, IO["out.vae_mean"]) < 1e-4
    assert largest_difference(log_variance, IO["out.vae_logvar"]) < 1e-4
    latents = model.latents.encode(IO["in.target_images"], IO["in.vae_posterior_noise"])
    assert largest_difference(latents, IO["out.latent_target"]) < 1e-4


def test_latents_decode(model: ReconVLA) -> None:
    with torch.no_grad():
        decoded = model.latents.autoencoder.decode(IO["in.vae_decode_latent"]).sample
    assert largest_difference(decoded, IO["out.vae_decode"]) < 1e-4


def test_losses_and_gradients(model: ReconVLA, batch: Batch) -> None:
    """The official mean runs over all samples, also those without an image; so it does here."""
    model.zero_grad()
    hidden = model.hidden_states(batch.input_ids, batch.attention_mask, batch.images)
    action = model.action_loss(hidden, batch.labels)
    reconstruction = model.reconstruction_losses(hidden, batch.input_ids, batch.targets, DRAWS).mean()
    total = action + reconstruction
    assert abs(action.item() - META["train"]["lm_loss"]) < 1e-5
    assert abs(reconstruction.item() - META["train"]["vm_loss"]) < 1e-5
    assert abs(total.item() - META["train"]["loss"]) < 1e-5
    total.backward()
    recorded = {key.removeprefix("grad."): value for key, value in IO.items() if key.startswith("grad.")}
    for name, official in recorded.items():
        gradient = model.get_parameter(name_from_official(name)).grad
        assert gradient is not None, name
        assert largest_difference(gradient, official) < 1e-5, name
    for name, norm in META["grad_norms"].items():
        gradient = model.get_parameter(name_from_official(name)).grad
        assert gradient is not None, name
        assert abs(float(gradient.norm()) - norm) < 1e-4 * max(norm, 1.0), name
    model.zero_grad()


def test_official_compat_trains_on_samples_without_an_image_too(folder: Path, batch: Batch) -> None:
    model = ReconVLA.from_pretrained(folder)
    model.config = dataclasses.replace(model.config, official_compat=True)
    losses = model(batch, DRAWS)
    assert abs(losses.reconstruction.item() - META["train"]["vm_loss"]) < 1e-5
    assert abs(losses.total.item() - META["train"]["loss"]) < 1e-5


def test_own_loss_leaves_out_samples_without_an_image(
    model: ReconVLA, batch: Batch, hidden: torch.Tensor
) -> None:
    with torch.no_grad():
        losses = model(batch, DRAWS)
        each = model.reconstruction_losses(hidden, batch.input_ids, batch.targets, DRAWS)
    has_image = (batch.input_ids == IMAGE_PLACEHOLDER).any(dim=1)
    assert abs(float(losses.reconstruction - each[has_image].mean())) < 1e-6
    assert abs(float(losses.total - losses.action - losses.reconstruction)) < 1e-5


@pytest.mark.parametrize("heads", HEADS, ids=str)
def test_attention(model: ReconVLA, batch: Batch, heads: list[int] | None) -> None:
    length = batch.input_ids.shape[1]
    queries = torch.arange(length).expand(len(batch), -1)
    ours = attention_rows(model, batch, queries, heads=heads)
    mask = batch.attention_mask
    assert largest_difference(ours[mask], of_heads(IO["out.attn_last"], heads)[mask]) < 1e-4
    assert model.language_model.config._attn_implementation == "sdpa"


def prompt_of(case: int, said: int = 0) -> Batch:
    """The prompt of a generation, and the first `said` tokens of its answer."""
    sample = META["generation_samples"][case]
    row, length = sample["batch_index"], sample["prompt_length"]
    answer = torch.tensor([META["generated_tokens"][case][:said]], dtype=torch.int64)
    ids = torch.cat([IO["in.input_ids"][row : row + 1, :length], answer], dim=1)
    return batch_of(ids, torch.full_like(ids, IGNORED_LABEL), ids == ids, IO["in.images"][row : row + 1])


def test_scores_of_the_first_generation(model: ReconVLA) -> None:
    official = IO["out.gen0_scores_first3"]
    asked = prompt_of(0, said=len(official) - 1)
    with torch.no_grad():
        hidden = model.hidden_states(asked.input_ids, asked.attention_mask, asked.images)
        scores = model.language_model.lm_head(hidden[0, -len(official) :])
    assert largest_difference(scores, official) < 1e-4


@pytest.mark.parametrize("heads", HEADS, ids=str)
def test_attention_of_the_first_generation(model: ReconVLA, heads: list[int] | None) -> None:
    prompt = prompt_of(0)
    rows = attention_rows(model, prompt, torch.arange(prompt.input_ids.shape[1])[None], heads=heads)
    assert largest_difference(rows, of_heads(IO["out.gen0_prefill_attn_last"], heads)) < 1e-4


@pytest.mark.parametrize("case", range(len(META["generation_samples"])))
def test_generated_tokens(model: ReconVLA, case: int) -> None:
    prompt = prompt_of(case)
    expected = META["generated_tokens"][case]
    assert greedy_tokens(model, prompt, len(expected))[0].tolist() == expected


def test_generated_tokens_in_one_padded_batch(model: ReconVLA) -> None:
    samples = META["generation_samples"]
    rows = [sample["batch_index"] for sample in samples]
    lengths = torch.tensor([sample["prompt_length"] for sample in samples])
    ids = IO["in.input_ids"][rows]
    mask = torch.arange(ids.shape[1]) < lengths[:, None]
    prompts = batch_of(ids, torch.full_like(ids, IGNORED_LABEL), mask, IO["in.images"][rows])
    expected = META["generated_tokens"]
    assert greedy_tokens(model, prompts, len(expected[0])).tolist() == expected


@pytest.mark.parametrize("official_layout", [True, False], ids=["official", "ours"])
def test_saved_and_loaded_again_bit_equal(model: ReconVLA, tmp_path: Path, official_layout: bool) -> None:
    model.save_pretrained(tmp_path, shard_bytes=300_000, official_layout=official_layout)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    again = ReconVLA.from_pretrained(tmp_path)
    assert again.config == model.config
    expected = weights_of(model)
    assert set(weights_of(again)) == set(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights_of(again).items())
    tokens = META["generated_tokens"][0]
    assert greedy_tokens(again, prompt_of(0), len(tokens))[0].tolist() == tokens
