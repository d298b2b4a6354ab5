"""Names of the entries that model folders' configurations may have: those that are read, and those that change nothing.

What is in none of these tables is refused by name, unless it is off (null, false, empty).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from errors import CheckpointError
from settings.shown import cut, shown


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Of every transformers configuration, of this version or the last. What they say of the choice of tokens is read by
#: `models.generation_rules`.
OF_TRANSFORMERS = _names(
    """
    architectures model_type torch_dtype dtype transformers_version auto_map return_dict output_hidden_states
    output_attentions torchscript use_bfloat16 tf_legacy_loss pruned_heads chunk_size_feed_forward is_encoder_decoder
    is_decoder cross_attention_hidden_size add_cross_attention tie_encoder_decoder finetuning_task id2label label2id
    num_labels tokenizer_class prefix bos_token_id pad_token_id eos_token_id sep_token_id decoder_start_token_id
    task_specific_params problem_type use_cache initializer_range initializer_factor pretraining_tp
    attn_implementation unsloth_fixed unsloth_version max_length min_length do_sample early_stopping num_beams
    num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty
    no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores
    return_dict_in_generate forced_bos_token_id forced_eos_token_id remove_invalid_values
    exponential_decay_length_penalty suppress_tokens begin_suppress_tokens
    """
)
LANGUAGE = _names(
    """
    vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads hidden_act
    max_position_embeddings rms_norm_eps tie_word_embeddings rope_theta rope_scaling rope_parameters
    original_max_position_embeddings partial_rotary_factor use_sliding_window sliding_window max_window_layers
    layer_types attention_dropout head_dim
    """
)
#: Of `rope_parameters` and `rope_scaling`.
ROPE = _names(
    """
    rope_type type rope_theta partial_rotary_factor factor original_max_position_embeddings attention_factor beta_fast
    beta_slow mscale mscale_all_dim truncate short_factor long_factor low_freq_factor high_freq_factor
    """
)
#: Of the official ReconVLA beside Qwen2's; of `mm_*` and `image_*` its code reads no others than are read here.
OFFICIAL = _names(
    """
    use_mm_proj use_mm_inv_proj decode_image_size recon_enable reconstruct_image reconstruct_image_num
    reconstruct_image_savefolder tokenizer_padding_side tokenizer_model_max_length tune_mm_mlp_adapter
    freeze_mm_mlp_adapter unfreeze_mm_vision_tower max_sequence_length
    """
)
VISION = _names(
    """
    hidden_size intermediate_size num_hidden_layers num_attention_heads num_channels image_size patch_size hidden_act
    layer_norm_eps attention_dropout vision_use_head tie_word_embeddings projection_dim
    """
)
#: Of a `preprocessor_config.json`.
PICTURES = _names(
    """
    image_mean image_std resample size do_resize do_rescale rescale_factor do_normalize do_convert_rgb
    image_processor_type feature_extractor_type processor_class default_to_square data_format input_data_format
    return_tensors device disable_grouping image_seq_length crop_size
    """
)
#: The last line has no part in encode and decode: for tiles, half precision, and pipelines that are not used here.
AUTOENCODER = _names(
    """
    in_channels out_channels down_block_types up_block_types block_out_channels layers_per_block act_fn latent_channels
    norm_num_groups scaling_factor shift_factor use_quant_conv use_post_quant_conv mid_block_add_attention
    sample_size force_upcast latents_mean latents_std
    """
)

#: Of a `generation_config.json`: read, and computed as transformers does.
GENERATION = _names(
    """
    repetition_penalty no_repeat_ngram_size bad_words_ids sequence_bias suppress_tokens begin_suppress_tokens
    min_new_tokens min_length
    """
)
#: Overridden by the servers, or without a say in which token is likeliest. The last line's are arguments of loading,
#: which transformers leaves in the file when a model is saved again.
GENERATION_HARMLESS = _names(
    """
    do_sample temperature top_k top_p min_p top_h typical_p epsilon_cutoff eta_cutoff renormalize_logits max_length
    max_new_tokens early_stopping length_penalty diversity_penalty low_memory remove_invalid_values bos_token_id
    pad_token_id decoder_start_token_id eos_token_id use_cache output_attentions output_hidden_states output_scores
    output_logits return_dict_in_generate return_legacy_cache compile_config disable_compile num_assistant_tokens
    num_assistant_tokens_schedule assistant_confidence_threshold assistant_lookbehind target_lookbehind
    max_matching_ngram_size is_assistant max_cache_len cache_config prefill_chunk_size chat_format max_window_size
    transformers_version attn_implementation torch_dtype dtype trust_remote_code use_flash_attention_2
    """
)
#: What transformers' `generate` knows besides, and nothing here computes.
GENERATION_REFUSED = _names(
    """
    penalty_alpha dola_layers watermarking_config exponential_decay_length_penalty forced_bos_token_id
    forced_decoder_ids force_words_ids constraints stop_strings max_time prompt_lookup_num_tokens assistant_early_exit
    token_healing encoder_no_repeat_ngram_size
    """
)


def check_known(
    place: str | Path, values: Mapping[str, Any], known: Collection[str], within: str = ""
) -> None:
    """Raises CheckpointError naming the first entry that is not `known` and not off.

    within: the object of the file that `values` are, as `text_config.`
    """
    for entry, value in values.items():
        off = value is None or value is False or value in ("", [], {})
        if not (entry in known or entry.startswith("_") or off):
            raise CheckpointError(
                f"{place}: {within}{cut(entry)} is {shown(value)}, and nothing here computes or knows such an entry;"
                " take it out if it changes no output"
            )


def check_granted(
    place: str | Path, values: Mapping[str, Any], granted: Mapping[str, Any], within: str = ""
) -> None:
    """Raises CheckpointError naming the first entry that is there with another value than the `granted` one."""
    for entry, only in granted.items():
        if values.get(entry, only) != only:
            raise CheckpointError(
                f"{place}: {within}{entry} is {shown(values[entry])}, where only {shown(only)} is known"
            )
