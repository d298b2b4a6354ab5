"""Code that lies in a checkpoint's folder is never run, and nobody is asked whether it may."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from detectors.grounding_dino.model import load_model
from errors import InvalidInput
from models.tokenizer import load_tokenizer

#: Entries by which transformers finds classes in a folder's own Python files.
AUTO_MAP = {
    "AutoTokenizer": ["own.Own", "own.Own"],
    "AutoConfig": "own.Own",
    "AutoProcessor": "own.Own",
    "AutoImageProcessor": "own.Own",
    "AutoModelForZeroShotObjectDetection": "own.Own",
}
READERS: dict[str, Callable[[Path], Any]] = {
    "tokenizer": load_tokenizer,
    "GroundingDINO": lambda folder: load_model(str(folder), "cpu"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json", "processor_config.json"])
def test_code_of_a_folder_is_not_run(
    reader: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: Any) -> str:
        raise SystemExit("somebody was asked whether code may be run")

    monkeypatch.setattr(builtins, "input", asked)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    (folder := tmp_path / "folder").mkdir()
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"from pathlib import Path\nPath({str(ran)!r}).touch()\nclass Own: pass\n")
    for name in ("tokenizer_config.json", "config.json"):
        (folder / name).write_text("{}")
    (folder / file).write_text(
        json.dumps(
            {"auto_map": AUTO_MAP, "tokenizer_class": "Own", "model_type": "own", "processor_class": "Own"}
        )
    )
    save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(InvalidInput):
        READERS[reader](folder)
    assert not ran.exists()


def test_an_adapter_leads_to_no_other_model(tmp_path: Path) -> None:
    for name in ("config.json", "adapter_config.json"):
        (tmp_path / name).write_text(json.dumps({"base_model_name_or_path": "somebody/else"}))
    with pytest.raises(InvalidInput, match=r"adapter_config\.json makes this folder an adapter"):
        load_model(str(tmp_path), "cpu")
