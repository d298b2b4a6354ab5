from __future__ import annotations

import pytest

from errors import ConfigError
from tasks.model_spec import final_config, planned_config


def test_an_override_changes_one_field_and_the_vocabulary_comes_from_the_tokenizer():
    planned = planned_config("toy", {"language": {"layers": 2}}, 0.5)
    config = final_config(planned, vocab_size=321)
    assert config.language.layers == 2
    assert config.language.vocab_size == config.language.action_vocab_size == 321
    assert config.denoiser is not None and config.denoiser.loss_weight == 0.5


def test_an_arm_without_reconstruction_has_no_denoiser():
    assert final_config(planned_config("toy", {}, None), 321).denoiser is None


@pytest.mark.parametrize(
    ("override", "said"), [({"hight": 3}, "hight"), ({"vision": {"image_size": -1}}, "image_size")]
)
def test_errors_name_the_field(override, said):
    with pytest.raises(ConfigError, match=said):
        planned_config("toy", override, 1.0)


def test_an_unknown_size_names_the_known_ones():
    with pytest.raises(ConfigError, match="toy"):
        planned_config("huge", {}, 1.0)
