"""Source in the state: kept once, allowed by whoever submits or says so, and never another one than its digest says."""

from __future__ import annotations

import pytest

from db import code, plans
from db.engine import Database
from db.plans import Plan
from errors import CodeNotAllowed, InvalidInput
from settings import own_code
from settings.code_source import Source
from settings.json_values import JsonObject
from tests.support import planned

SOURCE = Source({"mine.py": "class Mine: ...\n"})
OTHER = Source({"mine.py": "class Mine: other = 1\n", "beside.py": ""})


def naming(source: Source) -> JsonObject:
    return {"gaze": {"detector": f"mine:Mine@{source.digest}"}}


def submit(database: Database, source: Source, key: str = "one", command: str = "submit") -> int:
    plan = Plan(key, key, naming(source), [planned(f"job of {key}")], code=(source,))
    return plans.submit(database, plan, command, 1.0).ablation_id


def disallow(database: Database) -> None:
    """As an import leaves it."""
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE code SET allowed = false")


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.read() as tx:
        found = tx.exec_driver_sql("SELECT digest, command, allowed FROM code ORDER BY id").fetchall()
    return [(digest, command, bool(allowed)) for digest, command, allowed in found]


def test_what_is_submitted_is_kept_once_and_allowed(database: Database) -> None:
    submit(database, SOURCE, command="submit redis://x:secret@host")
    submit(database, SOURCE, "two")
    submit(database, OTHER, "three")
    assert rows(database) == [
        (SOURCE.digest, "submit redis://x:***@host", True), (OTHER.digest, "submit", True)
    ]  # fmt: skip
    assert [source.files for source in code.sources_for(database, naming(OTHER))] == [OTHER.files]
    code.need_allowed(database)


def test_what_is_not_allowed_is_refused_until_somebody_says_so(database: Database) -> None:
    ablation = submit(database, SOURCE)
    disallow(database)
    says = rf"^mine\.py \(Mine\) is code that came with a bundle, .*: .* up --until-done --allow-code {SOURCE.digest}$"
    for look in (
        lambda: code.need_allowed(database),
        lambda: code.need_allowed(database, [ablation]),
        lambda: code.sources_for(database, naming(SOURCE)),
    ):
        with pytest.raises(CodeNotAllowed, match=says) as refused:
            look()
        assert refused.value.exit_code == 2
    code.need_allowed(database, [])
    code.need_allowed(database, besides=naming(SOURCE))
    code.allow(database, [SOURCE.digest], 2.0)
    code.need_allowed(database)
    with database.read() as tx:
        said = tx.exec_driver_sql("SELECT message FROM event WHERE kind = 'code_allowed'").fetchall()
    assert [message for (message,) in said] == [f"code {SOURCE.digest} (mine.py) is allowed here"]


def test_whoever_submits_it_again_allows_it(database: Database) -> None:
    submit(database, SOURCE)
    disallow(database)
    submit(database, SOURCE)
    code.need_allowed(database)


def test_an_ablation_that_has_ended_runs_nothing(database: Database) -> None:
    submit(database, SOURCE)
    disallow(database)
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE job SET state = 'succeeded'")
    code.need_allowed(database)


@pytest.mark.parametrize("digest", ["0" * 64, "x", ""])
def test_only_code_that_is_there_can_be_allowed(digest: str, database: Database) -> None:
    submit(database, SOURCE)
    with pytest.raises(InvalidInput, match=f"--allow-code .*no code of that digest.*it has {SOURCE.digest}"):
        code.allow(database, [SOURCE.digest, digest], 1.0)


def test_code_that_is_not_what_its_digest_says_is_not_run(database: Database) -> None:
    source = Source({"mine.py": "class Mine: changed = 1\n"})
    submit(database, source)
    with database.write() as tx:
        tx.exec_driver_sql("""UPDATE code SET files = '{"mine.py": "class Mine: forged = 1"}'""")
    with pytest.raises(InvalidInput, match=r"has another digest, .*; it is not run"):
        code.admit(database, naming(source))
    with database.write() as tx:
        tx.exec_driver_sql("""UPDATE code SET files = '{"../mine.py": ""}'""")
    with pytest.raises(InvalidInput, match="no place of a module"):
        code.admit(database, naming(source))
    assert own_code.admitted(source.digest) is None


def test_code_that_is_not_there_is_said(database: Database) -> None:
    with pytest.raises(InvalidInput, match=r"the code of mine:Mine with the digest 0+ is not in this state"):
        code.admit(database, {"detector": f"mine:Mine@{'0' * 64}"})


def test_admitted_code_is_what_was_submitted(database: Database) -> None:
    source = Source({"mine.py": "class Mine: admitted = 1\n"})
    submit(database, source)
    code.admit(database, {"spec": [naming(source)]})
    assert own_code.admitted(source.digest) == source


def test_code_that_no_ablation_names_goes(database: Database) -> None:
    submit(database, SOURCE)
    kept = submit(database, OTHER, "two")
    with database.write() as tx:
        tx.exec_driver_sql(f"DELETE FROM ablation_job WHERE ablation_id <> {kept}")
        tx.exec_driver_sql(f"DELETE FROM ablation WHERE id <> {kept}")
        code.drop_unnamed(tx)
    assert [digest for digest, *_ in rows(database)] == [OTHER.digest]
