"""The tables of versions without migrations; they are adopted as they are."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: such a database exists already."""
