"""A compose file as compose reads it, and what every service in one must have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def read_services(file: Path, secrets: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, Any]:
    """The services with variables filled in as compose would. `secrets`: those without which nothing may start."""

    def value(match: re.Match[str]) -> str:
        name, operator, rest = match[1], match[2], match[3]
        if name in secrets:
            assert operator == ":?", f"without {name} nothing may start"
            return secrets[name]
        assert operator == ":-"
        return variables.get(name, rest)

    text = re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, file.read_text(encoding="utf-8"))
    document: dict[str, Any] = yaml.safe_load(text)
    return document["services"]


def assert_guarded(services: Mapping[str, Any]) -> None:
    """Each restarts, has a health check, is not root and is open to its own machine only."""
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["user"] not in ("root", "0", "0:0"), name
        for published in service.get("ports", ()):
            assert published.startswith("127.0.0.1:"), f"{name} is open to the network"
