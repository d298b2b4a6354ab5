"""Addresses that somebody wrote: what no library can look up is a sentence before it is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

import cli
from commands.session_options import check_notice_url
from errors import InvalidInput
from policies.remote import RemotePolicy
from settings.addresses import is_host
from settings.elsewhere import FILE
from tests.hostile.sentences import LONGEST_SENTENCE, sentence
from tests.workshop import Workshop
from workers.broker import ask

HOSTS = {
    "long": "x" * 5000,
    "a long part": "x" * 64 + ".example",
    "an empty part": "a..b",
    "a point": ".",
    "a part of other letters": "xn--" + "a" * 60,
    "a blank": "a b",
    "a control character": "a\x1b[2Jb",
    "turned around": "a\u202eb",
    "a port that is none": "127.0.0.1:x",
    "a port beyond the last": "127.0.0.1:99999",
    "half a bracket": "[::1",
}
hosts = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)


@hosts
def test_no_policy_server_has_such_an_address(host: str) -> None:
    with pytest.raises(InvalidInput, match="is no address of a policy server") as refused:
        RemotePolicy(f"http://{host}/act")
    sentence(refused, "")


@hosts
def test_no_broker_has_such_an_address(host: str) -> None:
    with pytest.raises(InvalidInput, match="is none") as refused:
        ask(f"redis://{host}/0")
    sentence(refused, "")


@hosts
def test_no_notice_comes_from_such_an_address(host: str) -> None:
    with pytest.raises(InvalidInput, match="is not an http address") as refused:
        check_notice_url(f"http://{host}/x")
    sentence(refused, "")


@hosts
@pytest.mark.parametrize("where", ["file", "variable"])
def test_no_state_has_such_an_address(
    host: str,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workshop = Workshop(home := tmp_path / "home")
    workshop.close()
    url = f"postgresql://somebody:secret@{host}/state"
    if where == "file":
        (home / FILE).write_text("database: " + repr(url).replace("'", '"') + "\n")
    else:
        monkeypatch.setenv("BATON_STATE_URL", url)
    capsys.readouterr()
    assert cli.main(["--home", str(home), "status"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and len(said) < LONGEST_SENTENCE
    assert (FILE if where == "file" else "BATON_STATE_URL") in said and "secret" not in said


@pytest.mark.parametrize("key", ["database", "artifacts"])
@pytest.mark.parametrize("url", ["sqlite:///a\\0b", "s3://a\\e[2J", "postgresql://" + "x" * 5000])
def test_a_home_s_file_holds_addresses_of_characters(
    key: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home := tmp_path / "home").mkdir()
    (home / FILE).write_text(f'{key}: "{url}"\n')
    assert cli.main(["--home", str(home), "status"]) == 2
    said = capsys.readouterr().err
    assert f"{FILE}: {key} must be a URL" in said and said.count("\n") == 1


def test_hosts_that_can_be_looked_up_are_hosts() -> None:
    for name in ("127.0.0.1", "::1", "fe80::1%eth0", "a", "a.example", "a.example.", "bücher.example", "a_b"):
        assert is_host(name)
