import pytest

from commands.checks import queue
from commands.checks.finding import MISSING, OK


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 4), False),
    ],
)
def test_sqlite_versions_with_the_wal_reset_bug(version: tuple[int, ...], affected: bool) -> None:
    assert queue.has_wal_reset_bug(version) is affected


def test_a_private_redis_is_named_with_its_version() -> None:
    broker = queue.findings()[0]
    assert broker.state == OK
    assert broker.detail.startswith("private Redis ") and "?" not in broker.detail


def test_a_named_broker_that_does_not_answer_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hidden@127.0.0.1:1/0")
    broker = queue.findings()[0]
    assert (broker.state, broker.needed) == (MISSING, True)
    assert "hidden" not in broker.detail
