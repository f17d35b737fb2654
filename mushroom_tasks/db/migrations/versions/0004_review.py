"""What people review: the sets of photos, and the log of decisions, which no later load touches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FLAGGED = "is_outlier OR doubt IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "review_sets",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("conf", postgresql.JSONB(), nullable=True),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review_sets"),
    )
    op.create_index("ix_review_sets_fingerprint", "review_sets", ["fingerprint"], unique=True)
    op.create_table(
        "review_species",
        sa.Column("set_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("taxon_id", sa.BigInteger(), nullable=False),
        sa.Column("scientific_name", sa.String(), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("pruned", sa.Integer(), nullable=False),
        sa.Column("doubtful", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("decided", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("set_id", "position", name="pk_review_species"),
    )
    op.create_index("ix_review_species_set_id_taxon_id", "review_species", ["set_id", "taxon_id"], unique=True)
    _create_items()
    op.create_table(
        "review_decisions",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("photo_id", sa.BigInteger(), nullable=False),
        sa.Column("taxon_id", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch", sa.Uuid(), nullable=False),
        sa.Column("undoes", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_review_decisions"),
    )
    op.create_index("ix_review_decisions_photo_id_taxon_id_id", "review_decisions", ["photo_id", "taxon_id", "id"])
    op.create_index("ix_review_decisions_batch", "review_decisions", ["batch"])


def _create_items() -> None:
    op.create_table(
        "review_items",
        sa.Column("set_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("rank", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("photo_id", sa.BigInteger(), nullable=False),
        sa.Column("taxon_id", sa.BigInteger(), nullable=False),
        sa.Column("observation_uuid", sa.String(), nullable=False),
        sa.Column("observer_id", sa.BigInteger(), nullable=False),
        sa.Column("login", sa.String(), nullable=True),
        sa.Column("observer_name", sa.String(), nullable=True),
        sa.Column("license", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("cluster_label", sa.Integer(), nullable=False),
        sa.Column("is_outlier", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("outlier_score", sa.REAL(), nullable=False),
        sa.Column("doubt", sa.String(), nullable=True),
        sa.Column("label_score", sa.REAL(), nullable=True),
        sa.Column("suggested_taxon_id", sa.BigInteger(), nullable=True),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.Column("quality_issue", sa.String(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("set_id", "rank", name="pk_review_items"),
    )
    op.create_index("ix_review_items_photo_id_taxon_id", "review_items", ["photo_id", "taxon_id"])
    for column in ("taxon_id", "reason", "observer_id"):
        op.create_index(f"ix_review_items_set_id_{column}_rank", "review_items", ["set_id", column, "rank"])
    for name, columns, condition in (
        ("doubt", ["doubt"], "doubt IS NOT NULL"),
        ("quality_issue", ["quality_issue"], "quality_issue IS NOT NULL"),
        ("flagged", [], _FLAGGED),
        ("waiting", [], f"verdict IS NULL AND ({_FLAGGED})"),
        ("decided", [], "verdict IS NOT NULL"),
        ("verdict", ["verdict"], "verdict IS NOT NULL"),
    ):
        op.create_index(
            f"ix_review_items_{name}", "review_items", ["set_id", *columns, "rank"], postgresql_where=sa.text(condition)
        )


def downgrade() -> None:
    for table in ("review_decisions", "review_items", "review_species", "review_sets"):
        op.drop_table(table)
