import datetime as dt
from collections.abc import Mapping

import pytest

from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.source import SourceRow
from sandbox.region import SHIPPED_REGION, Region, load_region
from sandbox.sources import Prepared, prepare_source

TODAY = dt.date(2026, 11, 22)


@pytest.fixture(scope="session")
def shipped() -> Region:
    """The region that comes with Wardgate, on one fixed day."""
    return load_region(SHIPPED_REGION, today=TODAY)


@pytest.fixture(scope="session")
def systems(shipped: Region, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Prepared]:
    """The source system of each of its agencies, by kind of agency."""
    root = tmp_path_factory.mktemp("systems")
    return {plan.kind: prepare_source(shipped, plan, plan.sources[0], root / plan.id) for plan in shipped.agencies}


@pytest.fixture(scope="session")
def rows(systems: Mapping[str, Prepared]) -> Mapping[str, list[SourceRow]]:
    """Everything read from each system through its mapping, by kind of agency."""
    return {
        kind: list(open_source(SourceSettings(**found.settings), today=lambda: TODAY, test_numbers=True).read())
        for kind, found in systems.items()
    }
