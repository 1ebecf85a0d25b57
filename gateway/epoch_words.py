"""What the commands about epochs print: how an agency's epochs stand, and in words what is to be done next by whom."""

from typing import Final

from federation.canonical import JsonObject
from federation.wire.v1 import admin_pb2

_NEXT: Final[dict["admin_pb2.EpochStep.ValueType", str]] = {
    admin_pb2.EPOCH_STEP_NONE: (
        "nothing; to turn the epoch, the trustee's operator runs `wardgate trustee epoch-open {agency} --yes`"
    ),
    admin_pb2.EPOCH_STEP_OPEN_AT_GATEWAY: (
        "the trustee has opened epoch {newest}: the gateway's operator runs "
        "`wardgate gateway epoch-open --agency {agency}`"
    ),
    admin_pb2.EPOCH_STEP_WAIT_FOR_CASELOAD: (
        "wait until `wardgate gateway epochs` shows that the caseload has left epoch {oldest}: {caseload}"
    ),
    admin_pb2.EPOCH_STEP_RETIRE_AT_GATEWAY: (
        "the caseload has left epoch {oldest}: the gateway's operator runs "
        "`wardgate gateway epoch-retire --agency {agency}`"
    ),
    admin_pb2.EPOCH_STEP_RETIRE_AT_TRUSTEE: (
        "the directory names epoch {trustee_oldest} no more: the trustee's operator runs "
        "`wardgate trustee epoch-retire {agency} --yes`, within a minute, when the trustee has that directory"
    ),
    admin_pb2.EPOCH_STEP_ASK_TRUSTEE: "the trustee does not answer: look again when it does",
    admin_pb2.EPOCH_STEP_MEND_TRUSTEE: (
        "the trustee does not have every epoch that the directory names, and nobody is found by what it has lost: its "
        "operator looks at `wardgate trustee status`, and restores keyring and store"
    ),
}


def shown(epochs: admin_pb2.AgencyEpochs) -> JsonObject:
    """How one agency's epochs stand."""
    answers = epochs.step != admin_pb2.EPOCH_STEP_ASK_TRUSTEE
    return {
        "agency": epochs.agency,
        "gateway": list(epochs.gateway),
        "trustee_in_directory": list(epochs.trustee),
        "trustee_now": list(epochs.trustee_now) if answers else None,
        "caseload_from": epochs.caseload or None,
        "attached": epochs.attached,
        "step": admin_pb2.EpochStep.Name(epochs.step).removeprefix("EPOCH_STEP_").lower(),
        "next": _next(epochs),
    }


def turned(done: admin_pb2.OpenEpochResponse | admin_pb2.RetireEpochResponse) -> JsonObject:
    """What an act came to, and what is next. A seed that is in use and in no backup is a caseload that can be lost."""
    result = {"changed": done.changed, "directory_version": done.directory_version, **shown(done.epochs)}
    if done.changed and isinstance(done, admin_pb2.OpenEpochResponse):
        result["next"] = f"back up the gateway's keyring, which has the new seed; then {result['next']}"
    return result


def _next(epochs: admin_pb2.AgencyEpochs) -> str:
    return _NEXT[epochs.step].format(
        agency=epochs.agency,
        oldest=min(set(epochs.gateway) & set(epochs.trustee), default=0),
        newest=max(epochs.trustee_now, default=0),
        trustee_oldest=min(epochs.trustee_now, default=0),
        caseload=_caseload(epochs),
    )


def _caseload(epochs: admin_pb2.AgencyEpochs) -> str:
    if not epochs.attached:
        return "the agency's node is not attached, and moves when it is back"
    if not epochs.caseload:
        return "its node has not said where it is (one of an older version never does)"
    return "its node moves it, by itself"
