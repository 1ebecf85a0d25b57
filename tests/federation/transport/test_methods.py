import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from grpc_health.v1 import health_pb2

import federation.wire.v1
from federation.transport.identity import PartyKind
from federation.transport.methods import CALLERS, Callers, ServerRole

NOBODY: Callers = frozenset()


def generated_methods() -> Iterator[str]:
    for module in pkgutil.iter_modules(federation.wire.v1.__path__, "federation.wire.v1."):
        if module.name.endswith("_pb2"):
            yield from methods_of(importlib.import_module(module.name))
    yield from methods_of(health_pb2)


def methods_of(module: object) -> Iterator[str]:
    for service in module.DESCRIPTOR.services_by_name.values():  # type: ignore[attr-defined]
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}"


def test_every_method_of_the_wire_has_a_row_and_every_row_a_method() -> None:
    rows = {method for table in CALLERS.values() for method in table}

    assert rows == set(generated_methods())


def test_every_role_has_a_table() -> None:
    assert set(CALLERS) == set(ServerRole)


def test_every_row_names_somebody() -> None:
    assert all(callers for table in CALLERS.values() for callers in table.values())


def test_a_method_without_a_row_has_no_callers() -> None:
    assert CALLERS[ServerRole.GATEWAY].get("/federation.wire.v1.QueryService/Drop", NOBODY) == NOBODY


def test_a_method_of_another_port_has_no_callers_here() -> None:
    enrol = "/federation.wire.v1.EnrolmentService/Enrol"

    assert CALLERS[ServerRole.ENROLMENT].get(enrol, NOBODY) == {PartyKind.ANONYMOUS}
    assert CALLERS[ServerRole.GATEWAY].get(enrol, NOBODY) == NOBODY
    assert CALLERS[ServerRole.LOCAL].get("/federation.wire.v1.QueryService/Ask", NOBODY) == NOBODY


def test_only_enrolment_is_open_to_the_anonymous() -> None:
    open_rows = {
        (role, method)
        for role, table in CALLERS.items()
        for method, callers in table.items()
        if PartyKind.ANONYMOUS in callers
    }

    assert open_rows == {
        (ServerRole.ENROLMENT, f"/federation.wire.v1.EnrolmentService/{method}") for method in ("Enrol", "Recertify")
    }


@pytest.mark.parametrize(
    ("role", "service", "kinds"),
    [
        (ServerRole.GATEWAY, "QueryService", {"node"}),
        (ServerRole.GATEWAY, "LinkService", {"node"}),
        (ServerRole.GATEWAY, "PseudonymService", {"node"}),
        (ServerRole.GATEWAY, "CertificateService", {"node", "trustee"}),
        (ServerRole.GATEWAY, "DirectoryService", {"node", "trustee", "operator"}),
        (ServerRole.GATEWAY, "LedgerService/GetConsistency", {"node", "trustee"}),
        (ServerRole.GATEWAY, "LedgerService/Cosign", {"node", "trustee"}),
        (ServerRole.GATEWAY, "LedgerService/GetWitnessed", {"trustee"}),
        (ServerRole.TRUSTEE, "LedgerService", {"gateway"}),
        (ServerRole.GATEWAY, "AdminService", {"operator"}),
        (ServerRole.TRUSTEE, "TrusteeService", {"gateway"}),
        (ServerRole.LOCAL, "LocalService", {"local"}),
    ],
)
def test_each_service_is_for_those_it_is_meant_for(role: ServerRole, service: str, kinds: set[str]) -> None:
    rows = {method: callers for method, callers in CALLERS[role].items() if f".{service}" in method}

    assert rows
    assert all(callers == kinds for callers in rows.values())
