"""Attempts of a job are found by the index of their unique tokens: one of jobs alone beside it costs each claim.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_attempt_job_id", "attempt")


def downgrade() -> None:
    op.create_index("ix_attempt_job_id", "attempt", ["job_id"])
