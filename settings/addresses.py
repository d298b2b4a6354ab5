"""Whether a host's name can be looked up at all: what cannot ends every try of a library in another way."""

from __future__ import annotations

#: Of a name in the domain name system, and of a whole address that somebody wrote.
_LONGEST_NAME, LONGEST_ADDRESS = 253, 4096


def is_host(name: str) -> bool:
    """For names and for numbers of the Internet, those of IPv6 without brackets."""
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or " " in name:
        return False
    try:
        name.encode("idna")  # as Python does before it looks one up
    except UnicodeError:
        return False
    return True


def is_written(address: str) -> bool:
    """Whether a whole address has characters that one has, and no more of them than are read."""
    return 0 < len(address) <= LONGEST_ADDRESS and address.isprintable()
