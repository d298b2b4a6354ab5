"""Damage is found before anything is opened for writing, told in one sentence, and looking changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cli
from db import soundness
from db.engine import Database
from db.standings import standing
from errors import StateDamaged
from tests.workshop import Workshop
from trials import circumstances, removal
from trials.circumstances import damaged, other_states
from trials.circumstances.masters import damage

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[circumstances.Masters]:
    with circumstances.masters_in(tmp_path_factory.mktemp("masters")) as made:
        yield made


DAMAGED = (
    damaged.overwritten_pages, damaged.overwritten_header, damaged.zeroed_end, damaged.cut_off, damaged.leftover_log,
    other_states.empty_state, other_states.empty_state_and_its_log, damaged.a_first_page_alone,
    damaged.text_in_its_place, damaged.wrong_values,
)  # fmt: skip

#: Each looks through all of the state.
THOROUGH = (
    ("artifacts", "verify"),
    ("up", "--until-done", "--cpus", "1", "--gpus", "none"),
    ("bundle", "export", "out.bundle"),
    ("submit-ablation", "--preset", "smoke", "--detach"),
)


@pytest.mark.parametrize("circumstance", DAMAGED, ids=lambda function: function.__name__)
def test_one_sentence_and_nothing_changed(
    masters: circumstances.Masters,
    circumstance: Callable[[circumstances.Masters, Path], circumstances.Case],
    tmp_path: Path,
    capsys: Capture,
) -> None:
    case = circumstance(masters, tmp_path)
    before = {path.name: path.read_bytes() for path in case.home.glob("state.db*")}
    for arguments in THOROUGH:
        capsys.readouterr()
        assert cli.main(["--home", str(case.home), *arguments]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1 and "state.db" in said
        after = {
            path.name: path.read_bytes() for path in case.home.glob("state.db*") if path.suffix != ".db-shm"
        }
        assert after == before


def test_a_copy_over_a_leftover_log_is_told_which_file_to_move(
    masters: circumstances.Masters, tmp_path: Path, capsys: Capture
) -> None:
    case = damaged.leftover_log(masters, tmp_path)
    assert cli.main(["--home", str(case.home), "status"]) == 2
    assert "move state.db-wal and state.db-shm away" in capsys.readouterr().err
    for file in case.home.glob("state.db-*"):
        file.rename(tmp_path / file.name)
    assert cli.main(["--home", str(case.home), "artifacts", "verify"]) == 0


def test_the_newest_bundle_is_the_way_back(
    masters: circumstances.Masters, tmp_path: Path, capsys: Capture
) -> None:
    case = damaged.overwritten_pages(masters, tmp_path)
    (case.home / "state.db").rename(tmp_path / "damaged")
    assert cli.main(["--home", str(case.home), "bundle", "import", str(masters.bundle)]) == 0
    for command in ("verify", "gc"):
        assert cli.main(["--home", str(case.home), "artifacts", command]) == 0
    assert removal.attempt(masters, case, "status").lost == []


def test_a_sound_state_that_is_being_written_is_sound(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    with workshop.database.write() as tx:
        tx.exec_driver_sql("UPDATE job SET error = 'under way'")
        assert soundness.damage_of(workshop.home.state_db, thorough=True) is None
    workshop.close()
    files = set(workshop.home.root.iterdir())
    soundness.need_sound_state(workshop.home)
    assert set(workshop.home.root.iterdir()) == files


def test_damage_that_is_come_across_later_has_its_name(tmp_path: Path) -> None:
    """As a session finds it whose disk loses pages while it works."""
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    workshop.close()
    database = Database(workshop.home.state)
    damage(workshop.home.state_db)
    with pytest.raises(StateDamaged, match="import the newest bundle"):
        for _ in range(3):
            standing(database)
            with database.write() as tx:
                tx.exec_driver_sql("UPDATE job SET error = 'x'")
    database.close()


def test_a_fault_over_damaged_rows_is_no_traceback(
    masters: circumstances.Masters, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = damaged.wrong_values(masters, tmp_path)

    def fails(*_: object, **__: object) -> None:
        raise KeyError("succeedee")

    monkeypatch.setattr("views.status.status_document", fails)
    assert cli.main(["--home", str(case.home), "status"]) == 2
    assert "is damaged" in capsys.readouterr().err
    shutil.copy(masters.whole / "state.db", case.home / "state.db")
    with pytest.raises(KeyError):
        cli.main(["--home", str(case.home), "status"])
