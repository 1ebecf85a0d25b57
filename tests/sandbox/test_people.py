"""Whatever the bundle sends to people of an agency reaches somebody, in the regions that come with Wardgate."""

import datetime as dt
from pathlib import Path

import pytest

from agency_node.inbox.deciders import decides, is_fit
from agency_node.recipients import Unheld, unheld
from agency_node.users import Users
from federation.policy.bundle import install_bundle
from federation.policy.catalogue import Catalogue
from keys.signing import SigningKey
from sandbox.region import SHIPPED_REGIONS, AgencyPlan, load_region

TODAY = dt.date(2026, 11, 22)
DIST = Path(__file__).resolve().parents[2] / "policies" / "dist"
PLANS = [plan for path in SHIPPED_REGIONS for plan in load_region(path, today=TODAY).agencies]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    installed = tmp_path_factory.mktemp("policy") / "bundle"
    return Catalogue.read(install_bundle(DIST, installed, SigningKey.generate(), clock=lambda: 1_800_000_000.0))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_every_recipient_of_an_alert_is_somebody_there(catalogue: Catalogue, plan: AgencyPlan) -> None:
    users = Users({user.id: user for user in plan.users})
    assert unheld(catalogue, users, TODAY) == Unheld()


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_two_people_can_agree_on_what_is_referred_there(catalogue: Catalogue, plan: AgencyPlan) -> None:
    present = [user for user in plan.users if user.is_employed(TODAY) and is_fit(user, TODAY)]
    assert len([user for user in present if decides(user, catalogue)]) >= 2
