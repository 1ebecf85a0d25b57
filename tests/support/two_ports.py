"""A program: the gateway's two ports as `gateway.app` opens them, with a servicer behind each that says something.

It is given a folder with what `write` put there, and prints both ports. What it serves is small, so that its memory is
what the transport takes.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from federation.transport.certificates import Credentials, HeldCertificates
from federation.transport.denylist import DenyList, SignedDenyList
from federation.transport.methods import ServerRole
from federation.transport.server import build_server
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import enrolment_pb2_grpc as grpc_wire
from keys.secret import Secret
from keys.signing import VerifyKey


class Enrolment(grpc_wire.EnrolmentServiceServicer):
    async def Enrol(self, request: wire.EnrolRequest, context: Any) -> wire.EnrolResponse:  # noqa: ARG002, N802 - gRPC's
        return wire.EnrolResponse(trust_bundle=request.key_statement)

    async def Recertify(self, request: wire.RecertifyRequest, context: Any) -> wire.RecertifyResponse:  # noqa: ARG002, N802 - gRPC's
        return wire.RecertifyResponse(trust_bundle=request.claim)


class Renewal(grpc_wire.CertificateServiceServicer):
    async def Renew(self, request: wire.RenewRequest, context: Any) -> wire.RenewResponse:  # noqa: ARG002, N802 - gRPC's
        return wire.RenewResponse(certificate_chain=request.certificate_request)


def write(folder: Path, credentials: Credentials, deny_list: SignedDenyList, key: VerifyKey) -> None:
    """Leave what the program needs."""
    content = {
        "chain": credentials.chain.hex(),
        "key": credentials.private_key.reveal().hex(),
        "roots": credentials.roots.hex(),
        "list": [deny_list.document.hex(), deny_list.signature.hex()],
        "signer": bytes(key).hex(),
    }
    (folder / "ports.json").write_text(json.dumps(content))


async def serve(folder: Path) -> None:
    content = json.loads((folder / "ports.json").read_text())
    chain, key, roots = (bytes.fromhex(content[name]) for name in ("chain", "key", "roots"))
    denials = DenyList(VerifyKey(bytes.fromhex(content["signer"])))
    denials.adopt(SignedDenyList(*(bytes.fromhex(part) for part in content["list"])))
    servers = [
        build_server(
            role=role,
            address="127.0.0.1:0",
            certificates=HeldCertificates(Credentials(chain, Secret(key), roots)),
            denials=denials,
        )
        for role in (ServerRole.GATEWAY, ServerRole.ENROLMENT)
    ]
    grpc_wire.add_CertificateServiceServicer_to_server(Renewal(), servers[0].grpc)
    grpc_wire.add_EnrolmentServiceServicer_to_server(Enrolment(), servers[1].grpc)
    for server in servers:
        await server.start()
    print(json.dumps([server.port for server in servers]), flush=True)  # noqa: T201 - a program's word
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
