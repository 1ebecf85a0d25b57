"""Grounds and reviewers of reviews, and referrals that several people, or certain people alone, decide.

A review that was there before keeps the ground that every decision of its kind had, and the reviewer of its referral.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = "referral_id, ref, query_id, requester, purpose, digest, decision, expires_at"


def upgrade() -> None:
    op.add_column("referral", sa.Column("people", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("referral", sa.Column("roles", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("referral", sa.Column("given", sa.LargeBinary(), nullable=True))
    _move_aside()
    op.create_table(
        "review",
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("reviewer", sa.String(length=64), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("requester", sa.String(length=63), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("ground", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["referral_id"], ["referral.referral_id"], name="fk_review_referral_id"),
        sa.PrimaryKeyConstraint("referral_id", "ref", "reviewer", name="pk_review"),
    )
    op.execute(
        f"INSERT INTO review ({COLUMNS}, reviewer, ground)"  # noqa: S608 - names of columns
        " SELECT before.referral_id, before.ref, before.query_id, before.requester, before.purpose, before.digest,"
        " before.decision, before.expires_at, COALESCE(referral.decided_by, before.referral_id),"
        " CASE before.decision WHEN 'withhold' THEN 'more_detrimental' ELSE 'considered' END"
        " FROM review_before AS before JOIN referral ON referral.referral_id = before.referral_id"
    )
    _index()


def downgrade() -> None:
    """Of several people who released one record one is kept; of one who withheld, that."""
    _move_aside()
    op.create_table(
        "review",
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("requester", sa.String(length=63), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["referral_id"], ["referral.referral_id"], name="fk_review_referral_id"),
        sa.PrimaryKeyConstraint("referral_id", "ref", name="pk_review"),
    )
    op.execute(
        f"INSERT INTO review ({COLUMNS})"  # noqa: S608 - names of columns
        " SELECT referral_id, ref, MAX(query_id), MAX(requester), MAX(purpose), MAX(digest), MAX(decision),"
        " MAX(expires_at) FROM review_before GROUP BY referral_id, ref"
    )
    _index()
    for column in ("given", "roles", "people"):
        op.drop_column("referral", column)


def _move_aside() -> None:
    op.execute("CREATE TABLE review_before AS SELECT * FROM review")
    op.drop_table("review")


def _index() -> None:
    op.drop_table("review_before")
    op.create_index(
        "ix_review_requester_purpose_expires_at", "review", ["requester", "purpose", "expires_at"], unique=False
    )
