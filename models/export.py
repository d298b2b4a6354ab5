"""A trained model as people keep it: a folder in the official Hugging Face layout, with the tokenizer beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from errors import CheckpointError
from hub.copies import located
from models.checkpoint import FLOAT32_PARTS, model_of
from models.config import ReconVLAConfig
from models.folder_identity import folder_identity
from models.official_entries import config_to_official
from models.precision import DTYPES, JUDGED
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from models.spec import ModelSpec
from models.tokenizer import build_word_tokenizer
from models.weight_files import WeightFiles, open_file
from settings.faults import need_fact
from settings.files import write
from settings.regular import MOST_TEXT_BYTES, is_there, read_bytes

#: What a Qwen2's tokenizer has; some of it is absent in some folders.
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
    "special_tokens_map.json", "chat_template.jinja",
)  # fmt: skip

_LOADED_BY = """\
| class | loads |
|---|---|
| `transformers.Qwen2ForCausalLM.from_pretrained` | the language model; it names the other parts as unexpected |
| `transformers.AutoTokenizer.from_pretrained` | the tokenizer |
| `models.reconvla.ReconVLA.from_pretrained` (Baton) | the whole model |

`AutoModel` and `AutoConfig` know no `recon_qwen2`, which is a class of the released code. `SiglipVisionModel` finds
none of its names here and would begin at random: the tower is in the whole model alone.
"""


@dataclass(frozen=True)
class Exported:
    """precision: type of the weights, a name of `models.precision.DTYPES`; denoiser and latent encoder are in fp32.
    note: in one sentence what it is beside a released checkpoint. identity: as evaluations of the folder name it."""

    precision: str
    note: str
    identity: str


def export_model(
    spec: ModelSpec, weights: Path, judged_in: str, folder: Path, about: Iterable[str]
) -> Exported:
    """Writes the model of a job that has these parameters and `weights` into `folder`, which is there and empty.

    Weights keep their type. Those of several (trained with adapters over half precision) are written in what the run
    is judged in, one of `JUDGED`, as the released layout has one type. about: lines of what was trained, for the
    folder's README. Raises CheckpointError where weights do not fit or the tokenizer is not that of the training,
    WeightsMissing where that is gone.
    """
    if (
        spec.tokenizer is not None
        and folder_identity(located(spec.tokenizer.root, "model")) != spec.tokenizer.identity
    ):
        raise CheckpointError(
            f"{spec.tokenizer.root} holds another tokenizer than the run was trained with: put that back"
        )
    recipe = recipe_of(spec)
    files = open_file(weights)
    dtype = None if len(_types(files)) == 1 else JUDGED[judged_in]
    model = model_of(ReconVLA, recipe.config, files, weights.name, dtype)
    model.save_pretrained(folder, official_layout=True)
    if spec.tokenizer is None:
        build_word_tokenizer(spec.instructions or ()).save_pretrained(folder)
    else:
        _copy_tokenizer(located(spec.tokenizer.root, "model"), folder)
    stored = next(model.language_model.parameters()).dtype
    precision = next(name for name, dtype in DTYPES.items() if dtype == stored)
    note = note_on(recipe.config)
    told = "".join(f"* {line}\n" for line in (*about, f"weights in {precision}", note))
    write(folder / "README.md", f"# ReconVLA, trained by Baton\n\n{told}\n{_LOADED_BY}")
    return Exported(precision, note, folder_identity(folder))


def note_on(config: ReconVLAConfig) -> str:
    """What the export of such a model is beside a released checkpoint, in one sentence."""
    if config.size == "toy":
        latents = (
            "" if config.denoiser is None else ", and a fixed projection where those have an autoencoder"
        )
        return (
            "a toy: the parts and names of a released checkpoint at a size of its own, with a tokenizer of its own "
            f"words{latents}; the released code, which wants a SigLIP of the hub, cannot load it"
        )
    values = config_to_official(config)
    folders = [values["mm_vision_tower"], *([values["mm_pixel_decoder"]] if config.denoiser else [])]
    return (
        "the layout of the released ReconQwen2ForCausalLM, whose code also wants the folders that config.json names"
        f" ({' and '.join(folders)})"
    )


def _types(files: WeightFiles) -> set[object]:
    """Those of floating point, outside of the parts that are float32 whatever the rest is."""
    return {
        tensor.dtype
        for name, tensor in files.stored.items()
        if not name.startswith(FLOAT32_PARTS) and tensor.dtype.is_floating_point
    }


def _copy_tokenizer(place: Path, folder: Path) -> None:
    for name in _TOKENIZER_FILES:
        if not is_there(place / name):
            continue
        try:
            content = read_bytes(place / name, MOST_TEXT_BYTES)
        except OSError as error:
            need_fact(error)
            raise CheckpointError(f"{place / name} cannot be read: {error.strerror}") from None
        write(folder / name, content)
