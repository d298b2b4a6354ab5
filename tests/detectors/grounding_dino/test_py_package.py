"""The other interpreter's protocol, with a stand-in for its package that answers what a test can check."""

import shutil
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.base import NoTarget, Reason
from detectors.grounding_dino.py_package import GroundingDinoPyFinder
from detectors.grounding_dino.py_package_interpreter import (
    PYTHON_VARIABLE,
    TRIED_VERSION,
    Installed,
    find_python,
    look_into,
    package_version,
)
from detectors.targets.table import BUTTON, block
from errors import CheckpointError, ConfigError, EnvironmentLacks, WeightsMissing

pytestmark = pytest.mark.slow

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
        def build_model(arguments):
            if arguments.text_encoder_type == "nowhere": raise OSError("no such text encoder")
            if arguments.text_encoder_type == "odd": raise ValueError("Unknown text_encoder_type odd")
            model = torch.nn.ModuleDict({"seen": torch.nn.Linear(1, 1), "bert": torch.nn.Linear(1, 1)})
            model["alias"] = model["seen"]
            model["bert"].register_buffer("position_ids", torch.arange(3))
            return model
        """,
    "util/__init__.py": "",
    "util/misc.py": "clean_state_dict = dict",
    "util/slconfig.py": """
        class SLConfig:
            text_encoder_type = "bert-base-uncased"
            @staticmethod
            def fromfile(name):
                made = SLConfig()
                made.name = name
                if not name.endswith(".py"): raise OSError("Only py type are supported")
                return made
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


#: As old as the package needs it.
TRANSFORMERS = """
class BertModel:
    get_extended_attention_mask = invert_attention_mask = get_head_mask = None
"""
VERSIONS = {"groundingdino_py": "0.4.0", "transformers": "4.44.2", "numpy": "1.26.4"}


def stand_in(folder, transformers_code=TRANSFORMERS, **versions):
    """The package and its dependencies, as importing and as asking for versions finds them."""
    files = {f"groundingdino/{name}": text for name, text in PACKAGE.items()}
    for name, version in (VERSIONS | versions).items():
        about = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        files[f"{name}-{version}.dist-info/METADATA"] = about
    for name, text in (files | {"transformers/__init__.py": transformers_code}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(stand_in(tmp_path)))


def state(**changes):
    """What the stand-in's model has, less what need not be in a file."""
    whole = {}
    for part in ("seen", "bert"):
        whole |= {f"{part}.weight": torch.ones(1, 1), f"{part}.bias": torch.ones(1)}
    return {name: tensor for name, tensor in (whole | changes).items() if tensor is not None}


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "groundingdino_swint_ogc.pth"
    torch.save({"model": state()}, path)
    return str(path)


def refused(kind, sentence, weights, **options):
    finder = GroundingDinoPyFinder(str(weights), python=sys.executable, **options)
    with pytest.raises(kind, match=sentence) as raised:
        finder.find([np.zeros((8, 8, 3), np.uint8)], BUTTON)
    assert "\n" not in str(raised.value)


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


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seen.weight": None, "bert.bias": None}, "lacks 3 tensors, first seen.weight"),
        ({"seen.weight": torch.ones(2, 2)}, "does not fit .*size mismatch for seen.weight"),
        ({"bert.weight": torch.full((1, 1), torch.nan)}, "bert.weight holds numbers that are not finite"),
    ],
    ids=["too few", "another shape", "not finite"],
)
def test_a_checkpoint_that_leaves_random_weights_is_damaged(tmp_path, changes, sentence):
    path = tmp_path / "other.pth"
    torch.save({"model": state(**changes)}, path)
    refused(CheckpointError, sentence, path)


@pytest.mark.usefixtures("package")
def test_an_alias_may_fill_a_tensor(tmp_path):
    path = tmp_path / "aliases.pth"
    torch.save({"model": {name.replace("seen", "alias"): tensor for name, tensor in state().items()}}, path)
    finder = GroundingDinoPyFinder(str(path), python=sys.executable)
    try:
        assert finder.find([np.zeros((8, 8, 3), np.uint8)], BUTTON)
    finally:
        finder.close()


@pytest.mark.usefixtures("package")
def test_what_builds_the_model_is_blamed_by_name(weights):
    refused(ConfigError, r"'odd\.yaml' is no configuration", weights, config="odd.yaml")
    refused(WeightsMissing, "text encoder 'nowhere' cannot be had", weights, text_encoder="nowhere")
    refused(
        ConfigError, "cannot build the model .*Unknown text_encoder_type odd", weights, text_encoder="odd"
    )


@pytest.mark.usefixtures("package")
def test_the_files_name_tells_the_size_and_not_its_folder(tmp_path, weights):
    folder = tmp_path / "swinb-and-others"
    folder.mkdir()
    with_folder = Path(shutil.copy(weights, folder))
    (tmp_path / "groundingdino/models/__init__.py").write_text(
        "def build_model(arguments): raise ValueError(arguments.name)"
    )
    refused(EnvironmentLacks, r"GroundingDINO_SwinT_OGC\.py", with_folder)
    large = with_folder.rename(folder / "groundingdino_swinb_cogcoor.pth")
    refused(EnvironmentLacks, r"GroundingDINO_SwinB_cfg\.py", large)


def test_an_interpreter_without_the_package(weights):
    refused(EnvironmentLacks, "cannot be imported", weights)


def test_transformers_that_lack_what_the_package_calls(weights, tmp_path, monkeypatch):
    """As from version 5 on: importing works, building the model does not."""
    newer = stand_in(tmp_path / "newer", "class BertModel: pass", transformers="5.1.0")
    monkeypatch.setenv("PYTHONPATH", str(newer))
    sentence = r"transformers 5\.1\.0.* has no BertModel\.get_extended_attention_mask"
    refused(EnvironmentLacks, sentence, weights)
    told = look_into(sys.executable)
    assert told.fault is not None and "BertModel" in told.fault and told.versions["transformers"] == "5.1.0"


def test_versions_that_were_not_tried_are_doubts():
    tried = {"groundingdino-py": "0.4.0", "transformers": "4.49.0", "numpy": "1.26.4"}
    assert Installed(tried, None).doubts == []
    for name, version in (("groundingdino-py", "0.1.0"), ("transformers", "4.50.0"), ("numpy", "2.1.0")):
        [doubt] = Installed(tried | {name: version}, None).doubts
        assert name in doubt and version in doubt


@pytest.mark.usefixtures("package")
def test_the_version_tells_all_that_decides_boxes_apart(weights, tmp_path, monkeypatch):
    config, encoder = tmp_path / "config.py", tmp_path / "encoder"
    config.write_text("num_queries = 900")
    encoder.mkdir()
    (encoder / "vocab.txt").write_text("[PAD]")
    named = {"config": str(config), "text_encoder": str(encoder)}

    def version(**options):
        return GroundingDinoPyFinder(weights, python=sys.executable, **options).version

    versions = {
        version(),
        version(config=str(config)),
        version(text_encoder="bert-base-uncased"),
        version(**named),
    }
    config.write_text("num_queries = 100")
    versions.add(version(**named))
    (encoder / "vocab.txt").write_text("[UNK]")
    versions.add(version(**named))
    assert len(versions) == 6
    with pytest.raises(ConfigError, match=r"none\.py"):
        version(config=str(tmp_path / "none.py"))
    here = version()
    monkeypatch.setenv("PYTHONPATH", str(stand_in(tmp_path / "older", groundingdino_py="0.3.0")))
    assert version() != here


def test_jobs_are_planned_for_the_tried_version_where_there_is_no_interpreter(weights, monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    assert (
        package_version(None)
        == package_version("/no/such/python")
        == package_version("/bin/echo")
        == TRIED_VERSION
    )
    assert GroundingDinoPyFinder(weights).version.endswith(TRIED_VERSION)


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
    told = look_into(sys.executable)
    assert told.fault is not None and "groundingdino" in told.fault and "numpy" in str(told)
    told = look_into(str(tmp_path / "python"))
    assert told.fault is not None and "does not answer" in told.fault
    told = look_into("/bin/false")
    assert told.fault is not None and "is no Python" in told.fault


GIVES = """
import torch
def predict(model, image, caption, box_threshold, text_threshold, device):
    logits = torch.full((1, 2, 256), float("-inf"))
    logits[..., :3] = float("LOGIT")
    model.forward = lambda picture: {"pred_logits": logits, "pred_boxes": torch.full((1, 2, 4), float("BOX"))}
    model(image)
    return torch.zeros(0, 4), torch.zeros(0), []
"""


def gives(folder, logit, box):
    """The package's answer from now on."""
    file = folder / "groundingdino" / "util" / "inference.py"
    file.write_text(GIVES.replace("LOGIT", logit).replace("BOX", box))


@pytest.mark.usefixtures("package")
def test_minus_infinity_beyond_the_phrase_is_nothing_found(tmp_path, weights):
    gives(tmp_path, "-3", "0.5")
    finder = GroundingDinoPyFinder(weights, python=sys.executable)
    found = finder.find([np.zeros((8, 8, 3), np.uint8)], BUTTON)
    finder.close()
    assert found == [NoTarget(Reason.BELOW_THRESHOLD, "button")]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("logit", "box"), [("nan", "0.5"), pytest.param("inf", "0.5", marks=pytest.mark.trial), ("-3", "nan")]
)
def test_numbers_that_are_not_finite_are_not_taken_for_nothing_found(tmp_path, weights, logit, box):
    """A NaN is above no threshold."""
    gives(tmp_path, logit, box)
    refused(CheckpointError, "gives numbers that are not finite for 'button'", weights)
