"""The gateway's checkpoint stands where every follower keeps it; what was seen of keys is remembered as a whole."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CHECKPOINT = "gateway-checkpoint"
SEEN = "seen-keys"


def upgrade() -> None:
    bind = op.get_bind()
    found = bind.execute(
        sa.text("SELECT version, content, updated_at FROM trusted_state WHERE name = :name"), {"name": CHECKPOINT}
    ).one_or_none()
    if found is not None:
        note = bytes(found.content)
        bind.execute(
            sa.text("INSERT INTO witnessed_log (origin, size, note) VALUES (:origin, :size, :note)"),
            {"origin": note.split(b"\n", 1)[0].decode(), "size": found.version, "note": note},
        )
        bind.execute(sa.text("DELETE FROM trusted_state WHERE name = :name"), {"name": CHECKPOINT})
    points = bind.execute(
        sa.text("SELECT scope, epoch, holder, public FROM pinned_point ORDER BY scope, epoch, holder")
    ).all()
    if points:
        seen = {
            "auditors": [],
            "chains": [],
            "points": [
                {"epoch": row.epoch, "holder": row.holder, "public": bytes(row.public).hex(), "scope": row.scope}
                for row in points
            ],
            "v": 1,
        }
        content = json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()
        bind.execute(
            sa.text("INSERT INTO trusted_state (name, version, content, updated_at) VALUES (:name, 0, :content, 0)"),
            {"name": SEEN, "content": content},
        )


def downgrade() -> None:
    """What was seen of keys is forgotten, but for the points that pseudonyms were made under."""
    bind = op.get_bind()
    found = bind.execute(sa.text("SELECT size, note FROM witnessed_log WHERE origin LIKE 'wardgate/gateway/%'")).first()
    if found is not None:
        bind.execute(
            sa.text("INSERT INTO trusted_state (name, version, content, updated_at) VALUES (:name, :size, :note, 0)"),
            {"name": CHECKPOINT, "size": found.size, "note": bytes(found.note)},
        )
        bind.execute(sa.text("DELETE FROM witnessed_log WHERE origin LIKE 'wardgate/gateway/%'"))
    bind.execute(sa.text("DELETE FROM trusted_state WHERE name = :name"), {"name": SEEN})
