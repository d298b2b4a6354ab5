"""CALVIN's own annotator keeps its instructions in OmegaConf's lists: they are read as lists, by whatever version."""

from __future__ import annotations

import collections
import pickle
import sys
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from calvin.annotations import read_annotations, read_embeddings, read_instructions
from calvin.pickles import load_npy_pickle
from errors import DatasetError, UnsafePickle

CLASSES = {
    "omegaconf.base": ("Metadata", "ContainerMetadata"),
    "omegaconf.nodes": ("AnyNode", "StringNode"),
    "omegaconf.listconfig": ("ListConfig",),
    "omegaconf.dictconfig": ("DictConfig",),
}


class OmegaConf:
    """Objects with the names and states that OmegaConf 2.1 to 2.3 pickle."""

    def __init__(self, kinds: dict[str, type]) -> None:
        self._kinds = kinds

    def _new(self, kind: str, **state: Any) -> Any:
        made = self._kinds[kind]()
        made.__dict__.update(state)
        return made

    def _notes(self, kind: str, object_type: Any) -> Any:
        return self._new(
            kind, ref_type=typing.Any, object_type=object_type, optional=True, key=None, flags={}, flags_root=False,
            resolver_cache=collections.defaultdict(dict), key_type=int, element_type=typing.Any,
        )  # fmt: skip

    def node(self, value: Any, parent: Any = None) -> Any:
        return self._new("AnyNode", _metadata=self._notes("Metadata", None), _parent=parent, _val=value)

    def make(self, value: Any, parent: Any = None) -> Any:
        """`value` with OmegaConf's containers in the place of lists and dicts."""
        if not isinstance(value, list | dict):
            return self.node(value, parent)
        kind = type(value)
        made = self._new(
            {list: "ListConfig", dict: "DictConfig"}[kind],
            _metadata=self._notes("ContainerMetadata", kind), _parent=parent,
        )  # fmt: skip
        if isinstance(value, list):
            made._content = [self.make(item, made) for item in value]
        else:
            made._content = {key: self.make(item, made) for key, item in value.items()}
        return made


@pytest.fixture
def omegaconf(monkeypatch: pytest.MonkeyPatch) -> OmegaConf:
    kinds = {}
    for module, names in CLASSES.items():
        stand_in = ModuleType(module)
        for name in names:
            kinds[name] = type(name, (), {"__module__": module})
            setattr(stand_in, name, kinds[name])
        monkeypatch.setitem(sys.modules, module, stand_in)
    monkeypatch.setitem(sys.modules, "omegaconf", ModuleType("omegaconf"))
    return OmegaConf(kinds)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_containers_become_lists_and_dicts(tmp_path: Path, omegaconf: OmegaConf, protocol: int) -> None:
    value = {"open_drawer": ["pull it", 1, 0.5, True, None, []], "more": {"deeper": [{"a": "b"}]}}
    whole = omegaconf.make({"root": value})
    (tmp_path / "a").write_bytes(pickle.dumps({"x": whole, "y": (whole._content["root"],)}, protocol))
    assert load_npy_pickle(tmp_path / "a") == {"x": {"root": value}, "y": (value,)}


def test_one_list_brings_what_it_was_taken_from(tmp_path: Path, omegaconf: OmegaConf) -> None:
    """A list's parent, which hydra's whole configuration hangs on, is in the file too, and is not looked at."""
    config = omegaconf.make({"data": "${root}/data", "said": {"open_drawer": ["pull it"]}})
    phrases = config._content["said"]._content["open_drawer"]
    entry = {"emb": np.zeros((1, 1, 4), "f4"), "ann": phrases}
    np.save(tmp_path / "embeddings.npy", {"open_drawer": entry}, allow_pickle=True)
    assert read_instructions(tmp_path / "embeddings.npy") == {"open_drawer": "pull it"}


@pytest.mark.parametrize("text", ["pull ${thing}", "???"])
def test_a_text_that_stands_for_another_is_refused(tmp_path: Path, omegaconf: OmegaConf, text: str) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(omegaconf.make([text])))
    with pytest.raises(DatasetError, match="stands for another one, which only OmegaConf could find"):
        load_npy_pickle(tmp_path / "a")


def test_containers_with_something_else_in_them(tmp_path: Path, omegaconf: OmegaConf) -> None:
    notes, wrong, empty = omegaconf.make([]), omegaconf.make([]), omegaconf.make([])
    notes._content = [notes._metadata]
    wrong._content = {}
    del empty._content
    itself = omegaconf.make([[]])
    itself._content.append(itself)
    for value, why in (
        (notes, "OmegaConf's ContainerMetadata in the place of a value"),
        (wrong, "an OmegaConf ListConfig in it holds something else"),
        (empty, "an OmegaConf ListConfig has no _content"),
        (omegaconf.node(omegaconf.make([])), "an OmegaConf AnyNode in it holds something else"),
        (itself, "holds itself"),
    ):
        (tmp_path / "a").write_bytes(pickle.dumps(value))
        with pytest.raises(DatasetError, match=why):
            load_npy_pickle(tmp_path / "a")


@pytest.mark.parametrize(
    "name", ["omegaconf._utils\nget_yaml_loader", "omegaconf\nOmegaConf", "hydra.utils\ncall"]
)
def test_no_function_of_omegaconf_is_known(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(b"\x80\x03c" + name.encode() + b"\n)R.")
    with pytest.raises(UnsafePickle, match=name.replace("\n", r"\.")):
        load_npy_pickle(tmp_path / "a")


def test_a_tensor_of_embeddings_is_in_nobodys_way(tmp_path: Path) -> None:
    """It is not read, only left aside: who needs the embeddings is told."""
    content = {
        "language": {"ann": ["pull it"], "task": ["open_drawer"], "emb": torch.zeros(1, 1, 4)},
        "info": {"indx": [(1, 2)]},
    }
    path = tmp_path / "auto_lang_ann.npy"
    np.save(path, content, allow_pickle=True)
    (annotation,) = read_annotations(path)
    assert not isinstance(annotation, DatasetError)
    assert (annotation.instruction, annotation.start) == ("pull it", 1)
    with pytest.raises(DatasetError, match=r"language\.emb is a tensor of PyTorch, not an array"):
        read_embeddings(path)
