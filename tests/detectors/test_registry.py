import subprocess
import sys

import pytest

from detectors.registry import DETECTORS, make_detector
from errors import CheckpointError, ConfigError
from tests.detectors.grounding_dino.tiny import write_tiny_model


@pytest.mark.parametrize("name", ["colour", "oracle"])
def test_makes_by_name(name):
    detector = make_detector(name)
    assert detector.name == name
    assert detector.version


def test_unknown_name_lists_the_known():
    with pytest.raises(ConfigError, match=r"'yolo'.*colour, grounding_dino, groundingdino_py, oracle"):
        make_detector("yolo")


def test_unknown_option_is_the_users_mistake():
    with pytest.raises(ConfigError, match=r"'colour' has no option sharpness; its options: none$"):
        make_detector("colour", sharpness=3)
    with pytest.raises(ConfigError, match=r"no option weigths; .*; did you mean weights\?$"):
        make_detector("grounding_dino", weigths="x")
    with pytest.raises(ConfigError, match=r"no option colour or size; its options: weights, box_threshold"):
        make_detector("grounding_dino", size=3, colour="red")


def test_listing_detectors_imports_no_torch():
    code = "import sys, detectors.registry as r; r.make_detector('colour'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "grounding_dino" in DETECTORS


def test_stages_and_interval_are_part_of_the_version():
    versions = {
        make_detector("colour").version,
        make_detector("colour", stages=()).version,
        make_detector("colour", stages=("temporal",)).version,
        make_detector("colour", interval=3).version,
    }
    assert len(versions) == 4
    assert make_detector("colour", stages=("size", "phrase")).version == (
        make_detector("colour", stages=("phrase", "size")).version
    )


def test_unknown_stage_lists_the_known():
    with pytest.raises(ConfigError, match=r"'magic'.*second_pass, phrase"):
        make_detector("colour", stages=("magic",))


def test_calibrations_come_from_beside_the_weights_and_are_part_of_the_version(tmp_path):
    folder = write_tiny_model(tmp_path / "weights")
    before = make_detector("grounding_dino", weights=str(folder)).version
    (folder / "calibration.json").write_text('{"button": [[0, 0], [0.1, 0.9], [1, 1]]}')
    fitted = make_detector("grounding_dino", weights=str(folder))
    assert fitted.version.split()[-1] != before.split()[-1]
    (folder / "calibration.json").write_text("nothing")
    with pytest.raises(CheckpointError, match=r"calibration\.json"):
        make_detector("grounding_dino", weights=str(folder))
