"""Timing of the queue from the environment."""

from __future__ import annotations

import pytest

from errors import ConfigError
from settings.queue import QueueSettings, queue_settings


def test_the_environment_overrides_single_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_QUEUE_LEASE_SECONDS", "7.5")
    monkeypatch.setenv("BATON_QUEUE_MAX_FAILURES", "9")
    assert queue_settings() == QueueSettings(lease_seconds=7.5, max_failures=9)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("BATON_QUEUE_LEASE_SECONDS", "long", "BATON_QUEUE_LEASE_SECONDS"),
        ("BATON_QUEUE_MAX_FAILURES", "1.5", "BATON_QUEUE_MAX_FAILURES"),
        ("BATON_QUEUE_TICK_SECONDS", "0", "tick_seconds"),
        ("BATON_QUEUE_TICK_SECONDS", "nan", "tick_seconds"),
        ("BATON_QUEUE_RING_WINDOW", "-3", "ring_window"),
        ("BATON_QUEUE_HEARTBEAT_SECONDS", "20", "at least twice"),
    ],
)
def test_values_that_cannot_work_are_named(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=says):
        queue_settings()
