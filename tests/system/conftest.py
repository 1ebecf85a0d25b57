"""One small region for all tests that only ask; those that break things bring up their own."""

from collections.abc import Iterator

import pytest

from tests.support.box import Box, box


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A region that is up; nobody may break it."""
    with box(tmp_path_factory.mktemp("region")) as up:
        yield up
