"""How a node gets its first certificate: enrolment with a one-time token and its own description.

`federation.renewal` keeps it in date.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from agency_node.description import keep_description
from agency_node.keychain import load_keychain, signed_statement
from agency_node.settings import NodeSettings
from federation.directory import AgencyDescriptor
from federation.errors import ErrorCode, WardgateError
from federation.renewal import CALL_S, Issued, certificate_request, install
from federation.transport.channel import enrolment_channel
from federation.transport.failures import call_errors
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import enrolment_pb2_grpc
from keys.keyring import Keyring

POLL_S: Final = 1.0


async def enrol(
    settings: NodeSettings,
    keyring: Keyring,
    token: str,
    description: AgencyDescriptor,
    *,
    wait_s: float,
    clock: Callable[[], float] = time.time,
) -> bool:
    """Present a token with this node's keys and the description that it signs, and wait for the human approval.

    Returns:
        True when the certificate is in the keyring; false when approval is still awaited after `wait_s`.

    Raises:
        WardgateError: `ENROLMENT_REFUSED`, also where the operator invited another description; `PEER_UNAVAILABLE`;
            `DESCRIPTION_REJECTED`: it describes another agency; `KEYRING_REJECTED`: what came is no certificate of
            ours.
    """
    roots = settings.gateway.roots_file.read_bytes()
    signed = signed_statement(keyring)
    own = keep_description(keyring, description, agency=settings.agency, key=load_keychain(keyring).signing_key)
    request = wire.EnrolRequest(
        token=token,
        certificate_request=certificate_request(keyring, settings.party),
        key_statement=signed.statement,
        key_statement_signature=signed.signature,
        description=own.description,
        description_signature=own.signature,
    )
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    async with enrolment_channel(settings.gateway.enrolment_address, settings.gateway.party, roots) as channel:
        stub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
        while True:
            async with call_errors(settings.gateway.party):
                response: wire.EnrolResponse = await stub.Enrol(request, timeout=CALL_S)
            if response.state == wire.ENROLMENT_STATE_APPROVED:
                issued = Issued(response.certificate_chain, response.trust_bundle)
                install(keyring, issued, settings.party, now=clock(), known_roots=roots)
                return True
            if response.state == wire.ENROLMENT_STATE_REJECTED:
                raise WardgateError(ErrorCode.ENROLMENT_REFUSED, settings.agency)
            if loop.time() >= until:
                return False
            await asyncio.sleep(POLL_S)
