"""The real client of the Hub, which asks one on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hub.loopback import Hub, Repository, loopback

ADDRESS = "/{repo_id}/resolve/{revision}/{filename}"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Starts a Hub with repositories by name, which the real client asks from then on."""
    for variable in ("HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("BATON_HUB_CACHE", str(tmp_path / "copies"))
    with ExitStack() as running:

        def start(**repositories: Repository) -> Hub:
            named = {name.replace("__", "/"): repository for name, repository in repositories.items()}
            hub = running.enter_context(loopback(named))
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
            monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", hub.url + ADDRESS)
            return hub

        yield start
