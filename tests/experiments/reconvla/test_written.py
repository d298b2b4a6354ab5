"""Names that YAML reads as numbers, dates or truth values; paths with variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import ConfigError
from experiments.reconvla.config import ArmEntry
from experiments.reconvla.named_config import load_config
from models.config import ReconVLAConfig
from models.sizes import config_of_size
from policies.registry import text_entries


def loaded(tmp_path: Path, text: str, *overrides: str, **direct: object):  # type: ignore[no-untyped-def]
    (tmp_path / "mine.yaml").write_text(text)
    return load_config("smoke", tmp_path / "mine.yaml", overrides, **direct)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["123", "1e3", "2024-01-31", "0x10", "012", "08", "1_000", "1.50", "1:30"])
def test_a_name_is_what_is_written(name: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, f"name: {name}\n").name == name
    assert load_config("smoke", None, (f"name={name}",)).name == name


def test_null_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name"):
        loaded(tmp_path, "name: null\n")


def test_rows_bases_and_titles(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        "arms:\n  2024-01-31: {base: recon, set: {training.steps: 21}}\n"
        "  12: {base: 2024-01-31, title: 5, set: {gaze: {detector: grounding_dino, weights: 7}}}\n"
        "  3.0: {base: recon, set: {gaze.detector: grounding_dino, gaze.weights: 1e3, training.steps: 2e1}}\n",
    )
    assert list(config.arms) == ["2024-01-31", "12", "3.0"]
    twelve, three = config.arms["12"], config.arms["3.0"]
    assert isinstance(twelve, ArmEntry) and (twelve.base, twelve.title) == ("2024-01-31", "5")
    assert twelve.set == {"gaze": {"detector": "grounding_dino", "weights": "7"}}
    assert isinstance(three, ArmEntry) and three.set == {
        "gaze.detector": "grounding_dino",
        "gaze.weights": "1e3",
        "training.steps": 20.0,
    }


@pytest.mark.parametrize("name", ["on", "No", "null", "~"])
def test_a_row_s_name_that_is_a_truth_in_yaml_is_told_to_be_quoted(name: str, tmp_path: Path) -> None:
    row = "{base: recon, set: {training.steps: 21}}"
    with pytest.raises(ConfigError, match=r"mine\.yaml(: arms|, line 2).*(quotes|~ is null)"):
        loaded(tmp_path, f"arms:\n  {name}: {row}\n")
    assert list(loaded(tmp_path, f"arms:\n  '{name}': {row}\n").arms) == [name]


@pytest.mark.parametrize(
    "rows", ["[baseline, {heavy: {base: recon}}]", "[{name: heavy, base: recon}]", "[{recon: null}]"]
)
def test_rows_that_set_something_are_no_list(rows: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: arms: .* a mapping, \{heavy: \{base: recon"):
        loaded(tmp_path, f"arms: {rows}\n")


def test_what_a_policy_is_told_by_name(tmp_path: Path) -> None:
    """Every text of any kind of policy, as their classes have it."""
    rows = "arms:\n  a: {policy: {kind: folder, folder: 1e3, detector: 012, precision: 16}}\n"
    (tmp_path / "mine.yaml").write_text(rows)
    with pytest.raises(ConfigError, match=r"policy\.precision: must be one of auto, .*, got '16'"):
        load_config("smoke", tmp_path / "mine.yaml")
    config = loaded(tmp_path, rows.replace("16", "fp16"))
    assert config.policies["a"].policy["folder"] == "1e3" and config.policies["a"].policy["detector"] == "012"
    assert {"class", "actions", "precision", "url"} < set(text_entries())


def test_the_same_on_the_command_line() -> None:
    config = load_config(
        "smoke", None, ("gaze.detector=grounding_dino", "gaze.weights=012"), vary=["gaze.weights=1e3,7"]
    )
    assert config.gaze.weights == "012"
    assert [row.set["gaze.weights"] for row in config.arms.values()] == ["1e3", "7"]  # type: ignore[union-attr]


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, "seeds: [3, 4]\ntraining: {steps: 1e2}\nmodel: {override: {language: {rope_theta: 1e6}}}\n"
    )
    assert config.seeds == (3, 4) and config.training.steps == 100
    assert config.model.override == {"language": {"rope_theta": 1e6}}
    assert (
        loaded(tmp_path, "data: {root: /x, validation_episodes: [1, 2]}\n").data.validation_episodes == "1,2"
    )
    assert loaded(tmp_path, "data: {root: /x, episodes: [1, open_drawer]}\n").data.episodes == "1,open_drawer"
    assert loaded(tmp_path, "data: {root: /x, episodes: 7}\n").data.episodes == "7"


def test_a_number_that_is_not_ours_to_read_stays_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="octal"):
        loaded(tmp_path, "training: {steps: 012}\n")


def test_whole_numbers_with_an_exponent_in_a_models_configuration() -> None:
    values = config_of_size("toy", 1024).all_values()
    values["language"]["max_positions"] = 1e3  # type: ignore[index]
    language = ReconVLAConfig.from_dict(values).language
    assert language.max_positions == 1000 and type(language.max_positions) is int
    for other in (1000.5, float("inf"), float("nan"), 2.0**60):
        values["language"]["max_positions"] = other  # type: ignore[index]
        with pytest.raises(ConfigError, match="must be int"):
            ReconVLAConfig.from_dict(values)


@pytest.mark.parametrize(
    "text",
    [
        "data: {root: $HERE/d}\n",
        "evaluation: {assets: '${HERE}/d'}\n",
        "evaluation: {instructions: $HERE/d}\n",
        "model: {backbones: {vision: $HERE/d}}\n",
        "gaze: {weights: $HERE/d}\n",
        "arms: {mine: {set: {data.root: $HERE/d}}}\n",
        "arms: {mine: {set: {model: {backbones: {language: $HERE/d}}}}}\n",
    ],
)
def test_variables_in_every_path(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", str(tmp_path))
    assert f"{tmp_path}/d" in loaded(tmp_path, text).model_dump_json()
    monkeypatch.delenv("HERE")
    with pytest.raises(ConfigError, match=r"mine\.yaml: .*HERE\}? is not set"):
        loaded(tmp_path, text)


def test_no_variable_in_what_is_no_path(tmp_path: Path) -> None:
    assert loaded(tmp_path, "name: $HERE\n").name == "$HERE"
