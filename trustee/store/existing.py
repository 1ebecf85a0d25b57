"""Opening the store beside the service: it is never made by looking at it."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.store import open_engine


def open_existing(url: str) -> AsyncEngine:
    """Open a store that `serve` has made.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: there is none.
    """
    database = make_url(url)
    if database.get_backend_name() == "sqlite" and not Path(database.database or "").is_file():
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, "there is no database yet; `serve` makes it")
    return open_engine(url)
