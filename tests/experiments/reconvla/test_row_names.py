"""Names of ablations and rows that look alike are one name, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import ConfigError
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.growth import grown, told
from experiments.reconvla.named_config import load_config
from tests.experiments.reconvla.test_growth import config

NFD, NFC = "gro\u0308\u00dfe", "gr\u00f6\u00dfe"
X = "{base: recon, set: {training.reconstruction_weight: 2}}"


@pytest.mark.parametrize("name", ["A ", " A", "A"])
def test_blanks_around_a_name_are_none_of_it(name: str, tmp_path: Path) -> None:
    assert load_config("smoke", name=name).name == "A"
    assert load_config("smoke", None, (f"name='{name}'",)).name == "A"
    file = tmp_path / f"{name}.yaml"
    file.write_text("seeds: [0]\n")
    assert load_config("smoke", file).name == "A"


def test_one_form_of_unicode_is_kept() -> None:
    asked = config(f"arms={{{NFD}: {X}, more: {{base: '{NFC} ', title: 'a  {NFD}'}}}}", f"name={NFD}",
                   f"comparison.baseline={NFD}")  # fmt: skip
    assert (asked.name, list(asked.arms), asked.comparison.baseline) == (NFC, [NFC, "more"], NFC)
    more = asked.trained["more"]
    assert more is not None and (more.base, more.title) == (NFC, f"a {NFC}")


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        (f"arms={{x: {X}, 'x ': {{base: baseline}}}}", r"--set arms: arms: 'x' and 'x ' are one name"),
        (f"arms={{{NFD}: {X}, {NFC}: {{base: baseline}}}}", f"'{NFD}' and '{NFC}' are one name"),
        ("arms=[recon, ' recon']", "names something twice: recon, recon"),
        (f"arms={{fine: {X}, \ufb01ne: {{base: baseline}}}}", r"arms\.\ufb01ne: it looks like fine, but "),
        (f"arms={{\uff42aseline: {X}}}", r"arms\.\uff42aseline: it looks like baseline, but its letters are"),
        ("arms={' ': {base: recon}}", "a name has 1 to 100 characters, this one has 0"),
    ],
)
def test_names_that_nobody_could_tell_apart_are_refused(arms: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config(arms)


def test_a_built_in_arm_of_which_nothing_is_said_is_the_built_in_one() -> None:
    asked = config(f"arms={{baseline: {{}}, 'recon ': {{}}, more: {X}}}")
    assert asked == config(f"arms={{baseline: null, recon: null, more: {X}}}")
    assert asked.trained["baseline"] is None and asked.trained["more"] is not None


def test_what_an_earlier_build_kept_goes_on_being_meant() -> None:
    settings = config(f"arms={{x: {X}, recon: null}}").model_dump(mode="json")
    settings["arms"] = {"x ": settings["arms"]["x"], "recon": None}
    there = AblationConfig.model_validate(settings)
    assert list(there.arms) == ["x ", "recon"], "stored settings are what they were"
    asked = config(f"arms={{x: {X}}}", "seeds=[0,1]")
    whole = grown(there, asked)
    assert list(whole.arms) == ["x ", "recon"]
    assert told(there, whole, asked) == [
        "new seeds: 1",
        "what it has and this does not ask for stays in it: rows recon",
        "rows share seeds and sequences, so it gets rows recon with seeds 1 too; another --name would not",
    ]
