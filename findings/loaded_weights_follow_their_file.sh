#!/usr/bin/env bash
# safetensors 0.8.0, transformers 5.23.0, torch 2.13.0 (Python 3.11, Linux, CPU).
#
# What load_file, safe_open(framework="pt") and from_pretrained give on a processor are pages of the file, and not a
# copy of it. Once other weights of the same shapes are copied over the file (`cp`, `rsync --inplace` and most uploads
# write into the file that is there), the model that was loaded before is the other one, from one forward pass to the
# next: no error, no reload, and a digest that was taken when it was loaded is true no more. Writers that rename a new
# file into place do not do it, nor does framework="numpy", which copies. Clone the tensors after loading where a file
# may change, or never write into one that is there.
#
# Seen (whether what was loaded before the copying is the other file's afterwards):
#   transformers from_pretrained: True
#   safetensors load_file: True
#   safetensors safe_open, torch: True
#   safetensors safe_open, numpy: False
#   load_file, then replaced by renaming: False
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile torch==2.13.0
"$work/venv/bin/pip" install --quiet --no-compile transformers==5.23.0 safetensors==0.8.0 numpy
cd "$work"
"$work/venv/bin/python" - 2>"$work/said" <<'PY' || { cat "$work/said"; exit 1; }
import os
import shutil
import subprocess
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

NAME = "transformer.wte.weight"
sizes = GPT2Config(n_layer=1, n_embd=32, n_head=2, vocab_size=50, n_positions=16, bos_token_id=0, eos_token_id=0)
for seed in (0, 1):
    torch.manual_seed(seed)
    GPT2LMHeadModel(sizes).save_pretrained(f"model{seed}")
ONE, OTHER, FILE = "model0/model.safetensors", "model1/model.safetensors", "folder/model.safetensors"
others = load_file(OTHER)[NAME].clone()


def by_transformers():
    return GPT2LMHeadModel.from_pretrained("folder").state_dict()[NAME]


def opened(framework):
    with safe_open(FILE, framework) as file:
        return file.get_tensor(NAME)


def copied_over():
    subprocess.run(["cp", OTHER, FILE], check=True)


def renamed_over():
    shutil.copy(OTHER, "folder/new")
    os.replace("folder/new", FILE)


def becomes_the_other(load, replace):
    shutil.rmtree("folder", ignore_errors=True)
    shutil.copytree("model0", "folder")
    tensor = load()
    before = torch.equal(torch.as_tensor(tensor), others)
    replace()
    return not before and torch.equal(torch.as_tensor(tensor), others)


seen = {
    "transformers from_pretrained": becomes_the_other(by_transformers, copied_over),
    "safetensors load_file": becomes_the_other(lambda: load_file(FILE)[NAME], copied_over),
    "safetensors safe_open, torch": becomes_the_other(lambda: opened("pt"), copied_over),
    "safetensors safe_open, numpy": becomes_the_other(lambda: opened("numpy"), copied_over),
    "load_file, then replaced by renaming": becomes_the_other(lambda: load_file(FILE)[NAME], renamed_over),
}
for what, changed in seen.items():
    print(f"{what}: {changed}")
sys.exit(0 if list(seen.values()) == [True, True, True, False, False] else 1)
PY
