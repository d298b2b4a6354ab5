"""Presets, files and overrides become one validated configuration; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from errors import ConfigError
from experiments.reconvla.arms import arms_of, check_names
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.named_config import load_config, preset_names
from experiments.reconvla.planner import Planner


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
        ("arms=[]", "arms: it is empty"),
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
    with pytest.raises(ConfigError, match=r"known presets: calvin-abc-d, calvin-abc-d-8gpu, .*quick, smoke"):
        load_config("huge")
    with pytest.raises(ConfigError, match=r"known arms: baseline, .*recon_pretrain"):
        load_config("smoke", arms=["recno"])


def test_a_config_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_config(None, file)


@pytest.mark.parametrize("text", ["", "# training: {steps: 3}\n", "---\n"])
def test_a_config_file_that_says_nothing(text: str, tmp_path: Path) -> None:
    """Half a download, or a file that was never saved: the defaults are nobody's choice."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml sets nothing"):
        load_config("smoke", file)


def test_a_section_with_nothing_under_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training:\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: training: .*settings of its own.* \(got None\)"):
        load_config("smoke", file)


@pytest.mark.parametrize("preset", ["calvin-abc-d", "calvin-abc-d-8gpu"])
def test_the_presets_of_the_papers_table_are_the_papers(preset: str) -> None:
    """ReconVLA's training scripts and evaluation: batch 512, rate 2e-5, 500 chains."""
    config = load_config(preset)
    assert (config.model.size, config.evaluation.protocol) == ("7b", "reconvla-500")
    for training in (config.training, config.pretraining):
        assert (training.batch_size, training.learning_rate, training.weight_decay) == (512, 2e-5, 0.0)
        assert training.warmup_fraction == 0.03


def test_the_preset_of_eight_cards_differs_in_how_it_is_trained_alone() -> None:
    one, eight = (load_config(name).model_dump() for name in ("calvin-abc-d", "calvin-abc-d-8gpu"))
    assert {key for key in one if one[key] != eight[key]} == {"name", "training", "pretraining"}
    for stage in ("training", "pretraining"):
        differs = {key for key in one[stage] if one[stage][key] != eight[stage][key]}
        assert differs == {"precision", "lora", "devices", "micro_batch"}


@pytest.mark.parametrize("stage", ["training", "pretraining"])
def test_what_is_trained_on_one_device_is_refused_before_data_are_looked_for(stage: str) -> None:
    config = load_config("calvin-abc-d", None, (f"{stage}.devices=8", "data.root=nowhere"))
    with pytest.raises(
        ConfigError, match=rf"^{stage}\.lora is trained on one device, and {stage}\.devices is 8"
    ):
        Planner(config).plan()


def test_a_key_twice_names_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training:\n  steps: 7\ntraining:\n  batch_size: 2\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml, line 3: the key 'training' is given twice"):
        load_config("smoke", file)


def test_numbers_are_numbers_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "training: {learning_rate: 2e-5, steps: 1e3}\nmodel: {override: {language: {rope_theta: 1e6}}}\n"
    )
    config = load_config("smoke", file)
    assert (config.training.learning_rate, config.training.steps) == (2e-5, 1000)
    assert repr(config.model.override["language"]["rope_theta"]) == "1000000.0"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    file = tmp_path / "mine.yaml"
    file.write_text(
        "data: {root: ~/calvin, pretraining_root: ~/abc}\nevaluation: {assets: ~/calvin_env}\n"
        "gaze: {weights: ~/gdino, python: ~/venv/bin/python}\n"
    )
    config = load_config("smoke", file)
    assert (config.data.root, config.data.pretraining_root) == ("/somewhere/calvin", "/somewhere/abc")
    assert config.evaluation.assets == "/somewhere/calvin_env"
    assert (config.gaze.weights, config.gaze.python) == ("/somewhere/gdino", "/somewhere/venv/bin/python")


def test_a_value_that_an_alias_repeats_is_changed_in_one_place_only() -> None:
    """`--set` changes one value: the presets give `pretraining` the values of `training` by an alias."""
    config = load_config("calvin-abc-d", None, ("training.steps=7", "training.lora.rank=2"))
    assert (config.training.steps, config.pretraining.steps) == (7, 4000)
    assert config.training.lora is not None and config.pretraining.lora is not None
    assert (config.training.lora.rank, config.pretraining.lora.rank) == (2, 64)


@pytest.mark.parametrize(
    "override",
    [
        "training.steps=yes",
        "seeds=[on]",
        "gaze.box_threshold=no",
        "attention.layer=off",
        "training.devices=true",
    ],
)
def test_yes_and_no_are_no_numbers(override: str) -> None:
    with pytest.raises(ConfigError, match="true or false"):
        load_config("smoke", None, (override,))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.steps=012", "octal"),
        ("training.slice_seconds=1:30", "base 60"),
        ("data.root=~", "null in YAML"),
        ("name=no", "true or false"),
    ],
)
def test_values_that_are_read_in_two_ways_are_refused(override: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config("smoke", None, (override,))


def test_yes_is_true_where_truth_is_wanted() -> None:
    assert load_config("smoke", None, ("training.gradient_checkpointing=on",)).training.gradient_checkpointing
    assert not load_config("smoke", None, ("evaluation.random_baseline=no",)).evaluation.random_baseline


def test_two_values_for_one_key_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--set training\.steps is given twice and differently: 7 and 8"):
        load_config("smoke", None, ("training.steps=7", "training.steps=8"))


def test_a_date_is_a_name() -> None:
    assert load_config("smoke", None, ("name=2024-01-01",)).name == "2024-01-01"


@pytest.mark.parametrize("override", ["evaluation.sequences=10", "evaluation={max_steps: 100}"])
def test_numbers_that_a_protocol_would_ignore_are_refused(override: str) -> None:
    with pytest.raises(
        ConfigError, match=r"would be ignored, as evaluation\.protocol reconvla-500 decides it"
    ):
        load_config("calvin-abc-d", None, (override,))
    load_config("calvin-abc-d", None, (override, "evaluation.protocol=null"))
    assert load_config("smoke", None, ("data.tasks=[]", "evaluation.protocol=calvin")).evaluation.protocol


def test_held_out_losses_of_one_report_have_one_set_of_frames() -> None:
    both = ("training.open_loop.frames=32", "training.early_stopping.frames=64")
    with pytest.raises(
        ConfigError, match=r"early_stopping\.frames \(64\) and open_loop\.frames \(32\) differ"
    ):
        load_config("smoke", None, both)
    load_config("smoke", None, ("training.open_loop.frames=32", "training.early_stopping.frames=32"))


def test_a_key_with_its_dots_in_a_file_is_told_how_it_is_nested(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training.steps: 6\n")
    with pytest.raises(ConfigError, match=r"unknown key 'training.steps'; nest it: {training: {steps: ...}}"):
        load_config("smoke", file)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("training.stepz=3", "--set training.stepz: unknown key; did you mean training.steps?"),
        ("training={stepz: 3}", "--set training: unknown key 'training.stepz'; did you mean training.steps?"),
        ("training.steps=x", "--set training.steps: a whole number stands here (got 'x')"),
        ("steps=3", "--set steps: unknown key; did you mean training.steps or pretraining.steps?"),
        ("seeds=[0,0]", "--set seeds: it names something twice: 0, 0"),
    ],
)
def test_what_an_option_names_is_not_named_again(said: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("smoke", None, (said,))
    assert str(refused.value) == sentence


def test_what_a_section_breaks_is_told_without_all_of_it() -> None:
    with pytest.raises(ConfigError, match=r"columns is of a dataset, and root names none$"):
        load_config("smoke", None, ("data.columns={robot_obs: state}",))


def test_seeds_twice_are_told_without_all_other_settings() -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("smoke", None, (), seeds=["0", "0"])
    assert str(refused.value) == "--seeds: it names something twice: 0, 0"


def test_arms_twice_are_told_to_who_named_them(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("arms: {recon: null, baseline: null}\n")
    with pytest.raises(ConfigError) as refused:
        load_config("smoke", tmp_path / "mine.yaml", (), arms=["recon", "recon"], seeds=["1"])
    assert str(refused.value) == "--arms: something is named twice: recon, recon"


def test_what_is_concluded_from_is_said_before_and_changes_no_settings_that_do_not_say_it() -> None:
    plain = AblationConfig(arms=("baseline", "recon"))
    assert "comparison" not in plain.model_dump(mode="json")
    said = AblationConfig.model_validate({"comparison": {"baseline": "recon", "measure": "success_1"}})
    assert said.model_dump(mode="json")["comparison"] == {"baseline": "recon", "measure": "success_1"}
    with pytest.raises(ValidationError, match="measure"):
        AblationConfig.model_validate({"comparison": {"measure": "success_9"}})


def test_a_baseline_is_one_of_the_arms_and_no_arm_sets_it() -> None:
    config = AblationConfig.model_validate(
        {"arms": ["baseline", "recon"], "comparison": {"baseline": "recnn"}}
    )
    with pytest.raises(
        ConfigError, match=r"comparison\.baseline: 'recnn' is none of the arms .* did you mean"
    ):
        check_names(config)
    arms = {"baseline": None, "mine": {"base": "recon", "set": {"comparison.measure": "success_1"}}}
    with pytest.raises(ConfigError, match=r"comparison\.measure is of the whole ablation"):
        arms_of(AblationConfig.model_validate({"arms": arms}))


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("model.size=samll", "small"),
        ("evaluation.simulator=playtabel", "playtable"),
        ("evaluation.simulator=Calvin", "calvin"),
        ("gaze.detector=grounding_dyno", "grounding_dino"),
        ("gaze.detector=Oracle", "oracle"),
        ("scheduling=finish-first", "finish_first"),
        ("method.reconstruction=gase", "gaze"),
        ("comparison.baseline=Baseline", "baseline"),
    ],
)
def test_a_mistyped_value_is_told_with_the_one_that_is_near(override: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"did you mean {near}\?"):
        Planner(load_config("smoke", None, (override,))).plan()
