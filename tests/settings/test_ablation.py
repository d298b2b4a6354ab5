"""Presets, files and overrides become one validated configuration; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from errors import ConfigError
from settings.ablation import AblationConfig, load_config, preset_names


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_valid(preset: str) -> None:
    assert load_config(preset).name == preset


def test_later_places_win(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training: {steps: 33, batch_size: 5}\nseeds: [4]\n")
    config = load_config("smoke", file, ("training.batch_size=6", "seeds=[5,6]"), seeds=[7], name=None)
    assert config.name == "mine"
    assert (config.training.steps, config.training.batch_size, config.seeds) == (33, 6, (7,))
    assert config.training.slice_seconds == load_config("smoke").training.slice_seconds


def test_without_anything_the_defaults_hold() -> None:
    assert load_config() == AblationConfig()


def test_a_configuration_never_changes() -> None:
    with pytest.raises(ValidationError):
        load_config().training.steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.steps=0", "training.steps"),
        ("training.warmup_fraction=1", "warmup_fraction"),
        ("training.learning_rate=.nan", "learning_rate"),
        ("evaluation.chain_length=6", "chain_length"),
        ("gaze.box_threshold=1.5", "box_threshold"),
        ("training_steps=3", "training_steps"),
        ("arms=[]", "arms is empty"),
        ("seeds=[1,1]", "twice"),
        ("seeds=[-1]", "seeds"),
        ("name=[a]", "name"),
        ("=3", "key.path=value"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(override: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("smoke", None, (override,))
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith("--set")


def test_unknown_presets_and_arms_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"known presets: calvin-abc-d, calvin-debug, .*quick, smoke"):
        load_config("huge")
    with pytest.raises(ConfigError, match=r"known arms: baseline, .*recon_pretrain"):
        load_config("smoke", arms=["recno"])


def test_a_config_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_config(None, file)


def test_the_preset_of_the_papers_table_is_the_papers() -> None:
    """ReconVLA's training scripts and evaluation: batch 512, rate 2e-5, 500 chains."""
    config = load_config("calvin-abc-d")
    assert (config.model.size, config.evaluation.protocol) == ("7b", "reconvla-500")
    for training in (config.training, config.pretraining):
        assert (training.batch_size, training.learning_rate, training.weight_decay) == (512, 2e-5, 0.0)
        assert training.warmup_fraction == 0.03
