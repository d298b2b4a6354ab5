#!/usr/bin/env bash
# transformers 5.23.0 with tokenizers 0.23.3 (Python 3.11, Linux).
#
# A folder holds a tokenizer.json and a tokenizer_config.json that names Qwen2Tokenizer or BertTokenizer.
# AutoTokenizer takes the vocabulary and the merges from tokenizer.json and builds everything around them anew: the
# normaliser and the pre-tokenizer that the same file states are not used, and nothing is said. So the ids differ from
# those of tokenizers.Tokenizer.from_file on that very file. With PreTrainedTokenizerFast as the class the ids agree.
#
# Seen (ids by the file | ids by AutoTokenizer):
#   Qwen2Tokenizer           'AB'          [257] | [32, 33]
#   Qwen2Tokenizer           '12'          [256] | [16, 17]
#   PreTrainedTokenizerFast  'AB'          [257] | [257]
#   PreTrainedTokenizerFast  '12'          [256] | [256]
#   BertTokenizer            'Push block'  [3, 4] | [2, 4]
#   BertTokenizer            'push,block'  [5] | [2, 1, 4]
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile transformers==5.23.0 tokenizers==0.23.3
cd "$work"
HF_HUB_OFFLINE=1 "$work/venv/bin/python" - <<'PY'
import json, pathlib, sys
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer


def compare(tokenizer, class_name, texts):
    folder = pathlib.Path(class_name)
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": class_name}))
    by_file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    by_auto = AutoTokenizer.from_pretrained(folder)
    rows = [(by_file.encode(t).ids, by_auto(t, add_special_tokens=False)["input_ids"]) for t in texts]
    for text, (left, right) in zip(texts, rows):
        print(f"{class_name:24} {text!r:13} {left} | {right}")
    return [left == right for left, right in rows]


letters = sorted(pre_tokenizers.ByteLevel.alphabet())
vocabulary = {token: i for i, token in enumerate([*letters, "12", "ab", "<|endoftext|>"])}
pairs = Tokenizer(models.BPE(vocab=vocabulary, merges=[("1", "2"), ("a", "b")]))
pairs.normalizer = normalizers.Lowercase()
pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
words = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "push", "Push", "block", "push,block", "[CLS]", "[SEP]", "[MASK]"])}
cased = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
cased.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
same = compare(pairs, "Qwen2Tokenizer", ["AB", "12"])
kept = compare(pairs, "PreTrainedTokenizerFast", ["AB", "12"])
same += compare(cased, "BertTokenizer", ["Push block", "push,block"])
sys.exit(0 if not any(same) and all(kept) else 1)
PY
