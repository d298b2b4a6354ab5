"""The other interpreter's protocol, with a stand-in for its package that answers what a test can check."""

import sys
import textwrap

import numpy as np
import pytest

from detectors.base import NoTarget, Reason
from detectors.groundingdino_py import PYTHON_VARIABLE, GroundingDinoPyFinder, find_python, installed_version
from detectors.targets import BUTTON, block
from errors import CheckpointError, ConfigError, EnvironmentLacks, WeightsMissing

PACKAGE = {
    "__init__.py": "",
    "datasets/__init__.py": "",
    "datasets/transforms.py": """
        import torch, numpy
        class Compose:
            def __init__(self, steps): pass
            def __call__(self, image, target):
                print("the package prints what it likes")
                return torch.from_numpy(numpy.array(image)), target
        RandomResize = ToTensor = Normalize = lambda *a, **k: None
        """,
    "models/__init__.py": """
        import torch
        def build_model(arguments): return torch.nn.Linear(1, 1)
        """,
    "util/__init__.py": "",
    "util/misc.py": "clean_state_dict = dict",
    "util/slconfig.py": """
        class SLConfig:
            @staticmethod
            def fromfile(name): return SLConfig()
        """,
    "util/inference.py": """
        import torch
        def predict(model, image, caption, box_threshold, text_threshold, device):
            if caption == "button": return torch.zeros(0, 4), torch.zeros(0), []
            brightest = (image.float().sum(-1) == image.float().sum(-1).max()).nonzero()[0]
            y, x = (brightest + 0.5) / torch.tensor(image.shape[:2])
            return torch.tensor([[x, y, 0.1, 0.2]]), torch.tensor([box_threshold]), [caption + " [SEP]"]
        """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    for name, text in PACKAGE.items():
        path = tmp_path / "groundingdino" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def weights(tmp_path):
    import torch

    path = tmp_path / "groundingdino_swint_ogc.pth"
    torch.save({"model": {}}, path)
    return str(path)


@pytest.mark.usefixtures("package")
def test_pictures_go_over_and_boxes_come_back(weights):
    finder = GroundingDinoPyFinder(weights, box_threshold=0.4, python=sys.executable)
    image = np.zeros((100, 200, 3), np.uint8)
    image[50, 120] = 255
    try:
        for _ in range(2):
            [[found]] = finder.find([image], block("red"))
            assert found.box == pytest.approx((110.5, 40.5, 130.5, 60.5))
            assert found.score == pytest.approx(0.2)  # half of the threshold: weaker ones may prove right
            assert found.words == "red block [SEP]"
        assert finder.find([image], BUTTON) == [NoTarget(Reason.BELOW_THRESHOLD, "button")]
        [tiles] = finder.find_thoroughly([image], block("red"))
        assert any(one.box[0] < 120 < one.box[2] for one in tiles)
    finally:
        finder.close()


@pytest.mark.usefixtures("package")
def test_missing_and_damaged_weights(tmp_path):
    image = np.zeros((8, 8, 3), np.uint8)
    missing = GroundingDinoPyFinder(str(tmp_path / "none.pth"), python=sys.executable)
    with pytest.raises(WeightsMissing, match=r"none\.pth"):
        missing.find([image], BUTTON)
    with pytest.raises(WeightsMissing):
        _ = missing.version
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"damaged\.pth"):
        GroundingDinoPyFinder(str(damaged), python=sys.executable).find([image], BUTTON)


def test_an_interpreter_without_the_package(weights):
    finder = GroundingDinoPyFinder(weights, python=sys.executable)
    with pytest.raises(EnvironmentLacks, match="cannot be imported"):
        finder.find([np.zeros((8, 8, 3), np.uint8)], BUTTON)


def test_no_interpreter_says_how_to_make_one(monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    with pytest.raises(EnvironmentLacks, match=r"groundingdino-py==0\.4\.0"):
        find_python()
    with pytest.raises(EnvironmentLacks, match="is no file"):
        find_python("/no/such/python")
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    assert find_python() == sys.executable


@pytest.mark.parametrize(
    ("named", "sentence"),
    [("/etc/passwd", "may not be run"), (__file__, "may not be run"), ("/bin/echo", "is no Python")],
)
def test_a_file_that_is_no_interpreter(weights, named, sentence):
    finder = GroundingDinoPyFinder(weights, python=named)
    with pytest.raises(EnvironmentLacks, match=sentence) as caught:
        finder.find([np.zeros((8, 8, 3), np.uint8)], BUTTON)
    assert named in str(caught.value)


def test_a_script_for_a_shell_that_is_missing(weights, tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/no/such/shell\n")
    script.chmod(0o755)
    with pytest.raises(EnvironmentLacks, match="cannot be started"):
        GroundingDinoPyFinder(weights, python=str(script)).find([np.zeros((8, 8, 3), np.uint8)], BUTTON)


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"\.pth"):
        GroundingDinoPyFinder()
    with pytest.raises(ConfigError, match="box_threshold"):
        GroundingDinoPyFinder("a.pth", box_threshold=2)


def test_doctor_is_told_whether_it_can_be_imported(tmp_path):
    version, reason = installed_version(sys.executable)
    assert version is None and "groundingdino" in reason
    version, reason = installed_version(str(tmp_path / "python"))
    assert version is None and "does not answer" in reason
