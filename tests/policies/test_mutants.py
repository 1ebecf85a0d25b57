"""Every rule of the bundle, flipped, is noticed by a Rego test or a golden decision.

All faults take about a minute and a half: `make mutants`. Here an eighth of them is tried, another one every day;
`WARDGATE_MUTANTS_SEED` names one.
"""

import datetime as dt
import json
import os
from collections import Counter

import pytest

from tests.support.opa import opa_command
from tools.mutate_policies import SURVIVORS, Sources, complain, try_mutants
from tools.policy_mutants import Fault, UnknownForm, changed_source, find_mutants

SHARES = 8

pytestmark = pytest.mark.opa


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources.read(opa_command())


def seed_of_today() -> int:
    return int(os.environ.get("WARDGATE_MUTANTS_SEED") or dt.datetime.now(dt.UTC).date().toordinal())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_flipped_rule_is_noticed(sources: Sources) -> None:
    seed = seed_of_today()
    mutants = sources.share(SHARES, seed)
    tried = try_mutants(sources, mutants)
    assert complain(tried, sources) == [], f"a share of 1 in {SHARES} with seed {seed}"
    assert len(tried.noticed) + len(tried.survived) + len(tried.stillborn) == len(mutants)
    assert len(tried.stillborn) < len(mutants) / 20


def test_every_rule_of_the_bundle_is_flipped(sources: Sources) -> None:
    rules = {
        (name, rule["location"]["row"])
        for name, module in sources.modules.items()
        if not name.endswith("_test.rego")
        for rule in module["rules"]
    }
    flipped = {
        (mutant.file, sources.files[mutant.file].count(b"\n", 0, mutant.rule[0]) + 1) for mutant in sources.mutants
    }
    assert flipped == rules
    assert set(Counter(mutant.fault for mutant in sources.mutants)) == set(Fault)


def test_the_shares_are_all_faults_and_each_once(sources: Sources) -> None:
    together = [mutant for seed in range(SHARES) for mutant in sources.share(SHARES, seed)]
    assert sorted(mutant.number for mutant in together) == list(range(1, len(sources.mutants) + 1))
    assert len({mutant.key for mutant in together}) == len(together)


def test_a_fault_changes_what_it_names_and_nothing_else(sources: Sources) -> None:
    for mutant in sources.mutants:
        source = sources.files[mutant.file]
        start, end = mutant.span
        changed = changed_source(source, mutant)
        assert changed != source
        assert changed.startswith(source[:start])
        assert changed.endswith(source[end:])
        assert mutant.rule[0] <= start < mutant.rule[1] or not mutant.woven


def test_a_known_fault_is_noticed_and_one_that_changes_nothing_is_not(sources: Sources) -> None:
    """Just inside and just outside: otherwise everything, or nothing, might count as noticed."""
    by_key = {mutant.key: mutant for mutant in sources.mutants}
    serious = by_key["wardgate/lib/purpose.rego usable: condition removed: not never"]
    harmless = by_key["wardgate/lib/shape.rego _tier: condition removed: is_string(value)"]
    tried = try_mutants(sources, [serious, harmless])
    assert (tried.noticed, tried.survived, tried.stillborn) == ([serious], [harmless], [])


def test_every_listed_survivor_says_why() -> None:
    listed = json.loads(SURVIVORS.read_text())
    assert all(why.startswith(("changes nothing", "a test is missing")) for why in listed.values())


def test_a_rule_with_an_else_is_refused_and_not_passed_over(sources: Sources) -> None:
    name = "wardgate/lib/tiers.rego"
    module = dict(sources.modules[name])
    module["rules"] = [{**rule, "else": {}} | {"else": rule} for rule in module["rules"]]
    with pytest.raises(UnknownForm, match="else"):
        find_mutants(name, sources.files[name], module, 1)
