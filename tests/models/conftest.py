"""A toy model smaller still, its tokenizer, and made-up samples."""

import dataclasses

import numpy as np
import pytest
import torch

from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer
from models.batches import Sample
from models.config import ReconVLAConfig
from models.prompt import PromptBuilder
from models.reconvla import ReconVLA
from models.sizes import config_of_size
from models.tokenizer import build_word_tokenizer

INSTRUCTIONS = ("open the drawer", "push the red block left", "turn on the led")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer():
    return build_word_tokenizer(INSTRUCTIONS)


@pytest.fixture(scope="session")
def config(tokenizer) -> ReconVLAConfig:
    toy = config_of_size("toy", vocab_size=len(tokenizer))
    return dataclasses.replace(
        toy,
        vision=dataclasses.replace(toy.vision, image_size=32, patch_size=8, width=32, layers=2, mlp_width=64),
        language=dataclasses.replace(toy.language, hidden=48, layers=2, mlp_width=64),
        latents=dataclasses.replace(toy.latents, cell=4),
        denoiser=dataclasses.replace(toy.denoiser, width=32),
    )


@pytest.fixture(scope="session")
def prompts(tokenizer) -> PromptBuilder:
    return PromptBuilder(tokenizer, ActionTokenizer(len(tokenizer)), OFFICIAL_STATE_STATISTICS)


@pytest.fixture
def model(config: ReconVLAConfig) -> ReconVLA:
    return ReconVLA(config, seed=3)


@pytest.fixture(scope="session")
def samples(config: ReconVLAConfig, prompts: PromptBuilder) -> list[Sample]:
    """Six samples of three instructions (so of different lengths), the last without a gaze target."""
    rng = np.random.default_rng(0)
    size = config.vision.image_size

    def picture() -> np.ndarray:
        return rng.integers(0, 256, (size, size, 3), dtype=np.uint8)

    made = []
    for index in range(6):
        state, actions = rng.normal(size=15), rng.uniform(-1, 1, (5, 7))
        example = prompts.example(INSTRUCTIONS[index % 3], state, actions)
        target = picture() if index < 5 else None
        made.append(Sample(example.input_ids, example.labels, picture(), target))
    return made
