"""The trustee's own database: what it has seen, counted and verified. SQLite or PostgreSQL."""
