"""Acting as an operator of a gateway, from any machine, by a key of one's own.

An operator has a folder on their own machine: the key, which stays there, and the settings by which their commands find
the gateway. Each command claims a certificate of ten minutes at the enrolment port, on the key's word, and calls the
gateway with it. The certificate's own key is made for the command and written nowhere.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from pydantic import Field

from federation.document import AgencyName
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import write_public
from federation.person_key import load_person_key, make_person_key
from federation.renewal import Issued, check_issued, claim_certificate
from federation.settings import Section, ServiceSettings
from federation.toml_text import to_toml
from federation.transport.certificates import Credentials, HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import admin_pb2_grpc
from keys.certificates import not_after
from keys.signing import VerifyKey
from keys.tls_key import PrivateKey, make_request

SETTINGS: Final = "operator.toml"
ROOTS: Final = "roots.pem"
KEY: Final = "key"
"""Names in an operator's folder."""

PORT: Final = 8443
ENROLMENT_PORT: Final = 8442

T = TypeVar("T")


class OperatedGateway(Section):
    """The gateway that an operator acts at, as it was introduced to them."""

    id: AgencyName = Field("main", description="Id in the gateway's certificate, wardgate://gateway/<id>.")
    address: str = Field(description="host:port of the gateway.")
    enrolment_address: str = Field(
        description="host:port of the gateway's enrolment port, where each command claims its certificate."
    )
    roots_file: Path = Field(description="The gateway's roots.pem, which must have certified whoever answers there.")

    @property
    def party(self) -> Party:
        """Who must answer."""
        return Party(PartyKind.GATEWAY, self.id)


class OperatorSettings(ServiceSettings, env_prefix="WARDGATE_OPERATOR_"):
    """What an operator's commands need: `wardgate gateway operator-key` writes it, `--as` names it."""

    name: AgencyName = Field(description="The operator's short name, as the gateway's settings have it.")
    key_dir: Path = Field(description="Folder of the operator's own key, on their own machine.")
    gateway: OperatedGateway = Field(description="The gateway.")

    @property
    def party(self) -> Party:
        """The operator."""
        return Party(PartyKind.OPERATOR, self.name)


def set_up_operator(
    folder: Path, name: str, gateway: str, *, enrolment: str = "", gateway_id: str = "main"
) -> VerifyKey:
    """Make an operator's key in their folder, where there is none, and write the settings of their commands.

    Args:
        folder: The operator's own.
        name: Their short name.
        gateway: host or host:port of the gateway.
        enrolment: host:port of its enrolment port; empty for the usual port of the same host.
        gateway_id: Id in the gateway's certificate.

    Raises:
        KeyringRejected: The key cannot be made or read.
        WardgateError: `SETTINGS_INVALID`: such a name or id there cannot be; nothing was made.
    """
    host, port = _host_and_port(gateway)
    content = {
        "name": name,
        "key_dir": folder / KEY,
        "gateway": {
            "id": gateway_id,
            "address": f"{host}:{port}",
            "enrolment_address": enrolment or f"{host}:{ENROLMENT_PORT}",
            "roots_file": folder / ROOTS,
        },
    }
    OperatorSettings.checked(content)
    key = make_person_key(folder / KEY)
    write_public(folder / SETTINGS, to_toml(content).encode())
    return key


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if port.isdecimal() and host and (":" not in host or host.endswith("]")):
        return host, int(port)
    return address, PORT


@asynccontextmanager
async def admin_service(
    settings: OperatorSettings, clock: Callable[[], float] = time.time
) -> "AsyncIterator[admin_pb2_grpc.AdminServiceAsyncStub]":
    """The gateway's admin service as this operator calls it, with a certificate claimed for the block.

    Raises:
        WardgateError: `SETTINGS_INVALID`: no roots; `CLAIM_REFUSED`: the gateway does not know this name and key;
            `KEYRING_REJECTED`: no key, or what came is no certificate of ours; `PEER_UNAVAILABLE`; whatever a call
            in the block ended with.
    """
    certificates = HeldCertificates(await _claimed(settings, clock()))
    server = settings.gateway.party
    async with RotatingChannel(settings.gateway.address, server, certificates) as channel, call_errors(server):
        yield admin_pb2_grpc.AdminServiceStub(channel)


def as_operator(acting: Path, call: "Callable[[admin_pb2_grpc.AdminServiceAsyncStub], Awaitable[T]]") -> T:
    """Call the gateway as the operator whose settings these are: the one way in which operators' commands do.

    Raises:
        WardgateError: As `admin_service`; `SETTINGS_INVALID`: of the operator's settings.
    """
    settings = OperatorSettings.load(acting)

    async def connect() -> T:
        async with admin_service(settings) as stub:
            return await call(stub)

    return asyncio.run(connect())


async def _claimed(settings: OperatorSettings, now: float) -> Credentials:
    gateway, party, roots = settings.gateway, settings.party, _roots(settings.gateway.roots_file)
    signing_key, tls_key = load_person_key(settings.key_dir), PrivateKey.generate()
    issued = await claim_certificate(
        party,
        make_request(tls_key, party.uri),
        signing_key=signing_key,
        server=gateway.party,
        address=gateway.enrolment_address,
        roots=roots,
        now=now,
    )
    # By the authorities that are pinned, whatever comes with it. Whether it is in date, the gateway's clock decides.
    check_issued(Issued(issued.chain, roots), tls_key, party, now=not_after(issued.chain).timestamp())
    return Credentials(chain=issued.chain, private_key=tls_key.pem, roots=roots)


def _roots(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"gateway.roots_file: {file}: {error.strerror}") from error
