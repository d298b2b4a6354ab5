"""The version of the body that a job was planned for, which only builds that have it may run.

Rows of the time before do not say it, but their keys do: a key is the hash of kind, version, parameters and needs.

Revision ID: 0005
Revises: 0004
"""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: Parameters that no key contains, and the highest version of any body, as they were when rows began to say it.
_TIMING = frozenset(
    {"slice_seconds", "checkpoint_seconds", "root", "simulators", "parallel", "assets", "python", "drawn_by"}
)
_HIGHEST = 5

#: A version that no build has: of jobs whose key no known version explains.
_UNKNOWN = 0

_AT_ONCE = 500


def upgrade() -> None:
    op.add_column("job", sa.Column("version", sa.Integer(), nullable=True))
    job = sa.table(
        "job",
        sa.column("id", sa.Integer),
        sa.column("key", sa.String),
        sa.column("kind", sa.String),
        sa.column("spec", sa.JSON),
        sa.column("version", sa.Integer),
    )
    dependency = sa.table(
        "job_dependency",
        sa.column("job_id", sa.Integer),
        sa.column("depends_on_id", sa.Integer),
        sa.column("role", sa.String),
    )
    connection = op.get_bind()
    needed = job.alias("needed")
    needs: dict[int, list[list[str]]] = {}
    for row in connection.execute(
        sa.select(dependency.c.job_id, needed.c.key, dependency.c.role).join_from(
            dependency, needed, needed.c.id == dependency.c.depends_on_id
        )
    ):
        needs.setdefault(row.job_id, []).append([row.key, row.role])
    # What only shows results (a report) may be run by any build.
    rows = connection.execute(
        sa.select(job.c.id, job.c.key, job.c.kind, job.c.spec).where(job.c.kind != "report").order_by(job.c.id)
    )
    found = [
        {"b_id": row.id, "b_version": _version(row.key, row.kind, row.spec, needs.get(row.id, []))}
        for row in rows
    ]
    statement = job.update().where(job.c.id == sa.bindparam("b_id")).values(version=sa.bindparam("b_version"))
    for start in range(0, len(found), _AT_ONCE):
        connection.execute(statement, found[start : start + _AT_ONCE])


def downgrade() -> None:
    op.drop_column("job", "version")


def _version(key: str, kind: str, spec: object, needs: list[list[str]]) -> int:
    about = {"kind": kind, "spec": _without_timing(spec), "needs": sorted(needs)}
    for version in range(_HIGHEST, 0, -1):
        text = json.dumps(
            {**about, "version": version}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        if hashlib.sha256(text.encode()).hexdigest() == key:
            return version
    return _UNKNOWN


def _without_timing(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_timing(item) for name, item in value.items() if name not in _TIMING}
    if isinstance(value, list):
        return [_without_timing(item) for item in value]
    return value
