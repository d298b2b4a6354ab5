#!/usr/bin/env bash
# transformers 5.23.0 with torch 2.13.0 (Python 3.11, Linux, CPU).
#
# The rotary kind "longrope" has two lists of factors, one for short and one for long inputs. Which list is used is
# decided once for a whole batch, by the greatest position in it, and positions of padding count. So one prompt gets
# other logits when a longer prompt stands beside it, or when it is padded further than
# original_max_position_embeddings, although the attention mask hides every added token. Scores of a model with longrope
# depend on how prompts are put into batches; this is no rounding, see the two sizes below.
#
# Seen (a prompt of 10 tokens, original length 16; greatest change of the logits of its last token):
#   padded to 16: below 1e-5 | beside a prompt of 16: below 1e-5
#   padded to 17: 7.17 | beside a prompt of 17: 7.17
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

rope = {"rope_type": "longrope", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
rope |= {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
sizes = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2)
heads = dict(num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.3)
torch.manual_seed(0)
model = Qwen2ForCausalLM(Qwen2Config(**sizes, **heads, rope_parameters=rope)).eval()
prompt = torch.randint(1, 64, (10,))


@torch.no_grad()
def logits(width, neighbour):
    """Of the prompt's last token, padded on the right to ``width``, with or without a prompt of that length."""
    rows, mask = torch.ones(1 + neighbour, width, dtype=torch.long), torch.ones(1 + neighbour, width, dtype=torch.long)
    rows[0, :10], mask[0, 10:] = prompt, 0
    return model(input_ids=rows, attention_mask=mask).logits[0, 9]


alone = logits(10, False)
change = {width: [(logits(width, n) - alone).abs().max().item() for n in (False, True)] for width in (16, 17)}
for width, pair in change.items():
    padded, beside = ("below 1e-5" if x < 1e-5 else f"{x:.2f}" for x in pair)
    print(f"padded to {width}: {padded} | beside a prompt of {width}: {beside}")
sys.exit(0 if max(change[16]) < 1e-5 and min(change[17]) > 0.01 else 1)
PY
