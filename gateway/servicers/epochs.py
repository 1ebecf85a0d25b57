"""How an agency's epochs stand, as they go to an operator's command."""

from typing import Final

from federation.wire.v1 import admin_pb2
from gateway.epochs import Standing, Step

_STEP: Final = {step: admin_pb2.EpochStep.Value(f"EPOCH_STEP_{step.name}") for step in Step}


def message(standing: Standing) -> admin_pb2.AgencyEpochs:
    """The message."""
    return admin_pb2.AgencyEpochs(
        agency=standing.agency,
        gateway=standing.gateway,
        trustee=standing.trustee,
        trustee_now=standing.trustee_now or (),
        caseload=standing.caseload,
        attached=standing.attached,
        step=_STEP[standing.step],
    )
