#!/usr/bin/env bash
# transformers 5.23.0 with torch 2.13.0 (Python 3.11, Linux, CPU).
#
# generate takes a prompt as input_ids or as inputs_embeds; plain greedy decoding gives the same tokens for both. With
# sequences that are forbidden (bad_words_ids) or moved up and down (sequence_bias) it does not: given as embeddings,
# the prompt is not part of what these two rules look at. A sequence that begins with the prompt's last tokens and ends in
# the first new one is stopped for ids and passes for embeddings. For repetition_penalty and no_repeat_ngram_size the
# library warns of the like; for these two it says nothing. Models with pictures usually hand over embeddings.
#
# Seen (first new tokens after a prompt that ends in 5 6):
#   no rule                   by ids [14, 3, 29, 0] | by embeddings [14, 3, 29, 0]
#   6 14 forbidden            by ids [16, 14, 3, 0] | by embeddings [14, 3, 29, 0]
#   5 6 14 lowered by 10000   by ids [16, 14, 3, 0] | by embeddings [14, 3, 29, 0]
#   warnings: none
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile torch==2.13.0
"$work/venv/bin/pip" install --quiet --no-compile transformers==5.23.0
cd "$work"
HF_HUB_OFFLINE=1 "$work/venv/bin/python" - <<'PY'
import sys, warnings
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

sizes = dict(vocab_size=32, hidden_size=32, intermediate_size=64, num_hidden_layers=2, tie_word_embeddings=True)
heads = dict(num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.5)
torch.manual_seed(0)
model = Qwen2ForCausalLM(Qwen2Config(**sizes, **heads)).eval()
model.generation_config.update(eos_token_id=None, pad_token_id=0)
prompt = torch.tensor([[5, 6, 7, 5, 6, 7, 5, 6]])
common = dict(attention_mask=torch.ones_like(prompt), max_new_tokens=4, do_sample=False)


def both(**rule):
    by_ids = model.generate(input_ids=prompt, **common, **rule)[0, prompt.shape[1] :].tolist()
    embeddings = model.get_input_embeddings()(prompt)
    return by_ids, model.generate(inputs_embeds=embeddings, **common, **rule)[0].tolist()


free = both()[0][0]
rules = {f"6 {free} forbidden": {"bad_words_ids": [[6, free]]}}
rules[f"5 6 {free} lowered by 10000"] = {"sequence_bias": {(5, 6, free): -10000.0}}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    seen = {name: both(**rule) for name, rule in {"no rule": {}, **rules}.items()}
for name, (ids, embeddings) in seen.items():
    print(f"{name:25} by ids {ids} | by embeddings {embeddings}")
print("warnings:", [str(w.message) for w in said] or "none")
holds = seen["no rule"][0] == seen["no rule"][1]
holds &= all(seen[name][0][0] != free and seen[name][1] == seen["no rule"][1] for name in rules)
sys.exit(0 if holds and not said else 1)
PY
