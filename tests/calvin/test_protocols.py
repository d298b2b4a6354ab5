from __future__ import annotations

import pytest

from calvin.protocols import PROTOCOLS, protocol_named
from errors import ConfigError


def test_calvin_has_a_thousand_sequences_and_reconvla_the_first_half_of_them() -> None:
    calvin, reconvla = PROTOCOLS["calvin"], PROTOCOLS["reconvla-500"]
    assert (calvin.sequences, calvin.max_steps) == (1000, 360)
    assert (reconvla.sequences, reconvla.max_steps) == (500, 360)
    assert reconvla.drawn == calvin.drawn == 1000, "the same list is drawn"


def test_official_compat_is_only_on_request() -> None:
    protocol = protocol_named("reconvla-500")
    assert not protocol.official_compat
    assert (protocol.compatible().max_steps, protocol.compatible().official_compat) == (500, True)


def test_unknown_protocol() -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'libero'; known protocols: calvin, reconvla-500"):
        protocol_named("libero")
    with pytest.raises(ConfigError, match=r"; did you mean reconvla-500\?$"):
        protocol_named("recon-500")
