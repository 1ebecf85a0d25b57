"""The same question where every service asks a real OPA server instead of deciding in its own process."""

import pytest

from tests.support.box import KNOWN, PROTECTED, box
from tests.support.opa import opa_command

pytestmark = [pytest.mark.system, pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_region_that_decides_by_a_server_answers_as_one_that_decides_in_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    opa_command()
    changes = [("[nodes]\n", '[policy]\nengine = "server"\n\n[nodes]\n')]
    with box(tmp_path_factory.mktemp("server"), changes=changes) as region:
        told = {target["agency"]: target["outcome"] for target in region.ask(KNOWN)["targets"]}
        hidden = {target["agency"]: target["outcome"] for target in region.ask(PROTECTED)["targets"]}
        entries = region.entries("gateway")

    assert told == {
        "small-police": "records",
        "small-school": "records",
        "small-health": "records",
        "small-yjs": "nothing_held",
    }
    assert set(hidden.values()) == {"nothing_held"}
    engines = {entry["body"]["decision"]["engine"]["name"] for entry in entries if entry["kind"] == "query_admitted"}
    assert engines == {"opa-server"}
