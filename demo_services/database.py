"""SQL: SQLite in the shop's data folder, or whatever DATABASE_URL names (PostgreSQL under compose)."""

from __future__ import annotations

import os

import sqlalchemy as sa


def open_database(name: str, metadata: sa.MetaData) -> sa.Engine:
    """An engine whose tables exist. SQLite files are named relative to the folder that the service runs in."""
    url = os.environ.get("DATABASE_URL", f"sqlite:///{name}.db")
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if url.startswith("sqlite"):
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    metadata.create_all(engine)
    return engine
