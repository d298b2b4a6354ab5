#!/usr/bin/env bash
# transformers 5.23.0 with torch 2.13.0 (Python 3.11, Linux, CPU).
#
# A model is called with position_ids and without an attention_mask, as every token counts. With use_cache=False, which
# is usual in training, the positions are then taken for several texts laid end to end: at every step that is not
# exactly +1 (a repeated position, as for the patches of one picture, or a gap) a new text begins, and its tokens do not
# see what stands before. With use_cache=True the same call attends to everything, and so does use_cache=False with a
# mask of ones. So a switch that is about speed changes the result without a word, and a model can be trained with cut
# attention and run with whole. Pass a mask of ones along with such positions.
#
# Seen (greatest change of logits against use_cache=False with a mask of ones):
#   positions 0 1 2 3 4 5 6 7: no mask, cache off 0.0 | no mask, cache on 0.0
#   positions 0 1 2 2 2 2 3 4: no mask, cache off 9.9 | no mask, cache on 0.0
#   positions 0 1 2 4 5 6 7 8: no mask, cache off 10.5 | no mask, cache on 0.0
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile torch==2.13.0
"$work/venv/bin/pip" install --quiet --no-compile transformers==5.23.0
cd "$work"
HF_HUB_OFFLINE=1 "$work/venv/bin/python" - <<'PY'
import sys
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

sizes = dict(vocab_size=32, hidden_size=32, intermediate_size=64, num_hidden_layers=2)
heads = dict(num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.5)
torch.manual_seed(0)
model = Qwen2ForCausalLM(Qwen2Config(**sizes, **heads)).eval()
tokens = torch.randint(1, 32, (1, 8))


@torch.no_grad()
def logits(positions, cache, **mask):
    return model(input_ids=tokens, position_ids=torch.tensor([positions]), use_cache=cache, **mask).logits


holds = True
for positions in ([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 2, 2, 2, 3, 4], [0, 1, 2, 4, 5, 6, 7, 8]):
    whole = logits(positions, False, attention_mask=torch.ones_like(tokens))
    off, on = ((logits(positions, cache) - whole).abs().max().item() for cache in (False, True))
    print("positions", *positions[:-1], f"{positions[-1]}: no mask, cache off {off:.1f} | no mask, cache on {on:.1f}")
    holds &= on < 1e-3 and (off > 0.1) == (positions != list(range(8)))
sys.exit(0 if holds else 1)
PY
