"""`wardgate sandbox demo` as a person or a machine calls it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.region import SHIPPED_REGIONS, load_region

REGION = """
format = 1
name = "Two"
seed = 1
story = ["asks", "asks-wrongly"]
population = { children = 0, families = "none" }

[[agencies]]
id = "two-csc"
name = "Two Children's Services"
kind = "childrens_services"
legal_class = "S11_1"
areas = ["testshire"]
agreements = ["mash"]
declared_caseload = 50
sources = [{ name = "records", kind = "literal" }]

[[agencies.users]]
id = "hub"
name = "Hub Bard"
role = "mash_manager"
case_role = "duty"
grants = ["FRONT_DOOR"]
training_expires = "today+1y"

[[agencies]]
id = "two-police"
name = "Two Police"
kind = "police"
legal_class = "S11_1"
areas = ["testshire"]
agreements = ["mash"]
declared_caseload = 50
sources = [{ name = "records", kind = "literal" }]

[[agencies.users]]
id = "chief"
name = "Chief Cole"
role = "police_supervisor"
case_role = "supervisor"
training_expires = "today+1y"

[[agencies.records]]
nhs_number = "999 000 0018"
category = "police_known"
type = "nominal"
date = "today-1m"
fields = { known_in_12_months = true }

[[scenes]]
name = "asks"
title = "Is the child known?"
agency = "two-csc"
user = "hub"
child = "999 000 0018"
purpose = "FRONT_DOOR"
categories = ["police_known:T1"]
attestations = ["threshold_decision_needed", "partner_most_relevant"]
family_informed = "unsafe"
expect = { two-police = "records" }
records = { two-police = ["police_known:T1"] }

[[scenes.variations]]
title = "Nothing of the child is held"
but = { child = "999 000 0042" }
expect = { two-police = "nothing_held" }

[[scenes]]
name = "asks-wrongly"
title = "What comes back is not what the file says"
agency = "two-csc"
user = "hub"
child = "999 000 0018"
purpose = "FRONT_DOOR"
categories = ["police_known:T1"]
attestations = ["threshold_decision_needed"]
family_informed = "unsafe"
before = { two-police = "referred" }
decide = [{ agency = "two-police", user = "chief", decision = "release", reason = "None needed.", then = "refused" }]
alerts = [{ agency = "two-police", user = "chief", obligation = "alert_break_glass" }]
expect = { two-police = "nothing_held" }

[[scenes.variations]]
title = "Nor does it look as it should"
but = { child = "999 000 0042" }
alike = true
"""


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "wardgate", "sandbox", "demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.system
def test_a_scene_that_ends_otherwise_fails_the_demo_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(REGION, encoding="utf-8")

    done = demo("--region", str(path), "--json")

    assert done.returncode == 1, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["ok"] is False
    (region,) = found["regions"]
    right, wrong = region["scenes"]
    assert (right["name"], right["ok"], wrong["name"], wrong["ok"]) == ("asks", True, "asks-wrongly", False)
    assert right["asked"][0]["expected"] == {
        "expect": {"two-police": "records"},
        "records": {"two-police": ["police_known:T1"]},
    }
    assert right["asked"][0]["outcome"]["records"] == {"two-police": ["police_known:T1"]}
    assert right["asked"][1]["outcome"]["expect"] == {"two-police": "nothing_held"}
    assert region["faults"] == [
        "asks-wrongly: before anybody decides, two-police should be referred, is records",
        "asks-wrongly: two-police referred nothing to chief",
        "asks-wrongly: after chief's decision, two-police should be refused, is records",
        "asks-wrongly: two-police should be nothing_held, is records",
        "asks-wrongly: chief of two-police should be told by alert_break_glass",
        "asks-wrongly (Nor does it look as it should): two-police does not look exactly alike",
    ]


def test_an_unknown_scene_is_a_coded_error_with_what_there_is() -> None:
    done = demo("--scene", "back-door", "--json")

    assert done.returncode == 10
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "NAME_UNKNOWN"
    assert "front-door" in error["detail"]
    assert done.stdout == ""


def test_the_list_names_every_scene_with_what_it_shows() -> None:
    done = demo("--list", "--json")

    assert done.returncode == 0
    listed = {row["name"] for row in json.loads(done.stdout)["scenes"]}
    assert listed == {scene.name for path in SHIPPED_REGIONS for scene in load_region(path).scenes}
    shown = demo("--list").stdout
    assert "flag-hfea" in shown
    assert "cme-436a" in shown
