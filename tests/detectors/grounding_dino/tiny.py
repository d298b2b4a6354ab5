"""A GroundingDINO of a few hundred kilobytes with random weights, saved in transformers' format."""

from __future__ import annotations

from pathlib import Path

import torch

WORDS = ["red", "blue", "pink", "block", "drawer", "handle", "sliding", "door", "light", "switch", "button"]


def write_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Write model, processor and a WordPiece vocabulary into `folder`."""
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [
        "[PAD]",
        *(f"[unused{i}]" for i in range(1, 100)),
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
    ]
    vocabulary += [f"[unused{i}]" for i in range(len(vocabulary), 1012)] + ["."]
    vocabulary += [f"[unused{i}]" for i in range(len(vocabulary), 1029)] + ["?"]
    vocabulary_file = folder / "vocab.txt"
    vocabulary_file.write_text("\n".join(vocabulary) + "\n")
    tokenizer = BertTokenizer(vocab=str(vocabulary_file))
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160}), tokenizer
    )
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=12,
        disable_custom_kernels=True,
    )
    torch.manual_seed(seed)
    model = GroundingDinoForObjectDetection(config).eval()
    processor.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder
