"""What the catalogue says of each error. `docs/errors/` has one page per code, generated from this table (`make docs`).

`public` is all that a peer or a user ever sees. A test holds codes and rows equal.
"""

from typing import Final

from federation.error_codes import ErrorCode, ErrorSpec, Family, Status

_C, _P, _O = Family.CALLER, Family.PEER, Family.OPERATOR
_S = Status

CATALOGUE: Final[dict[ErrorCode, ErrorSpec]] = {
    ErrorCode.MESSAGE_TOO_LARGE: ErrorSpec(
        _C,
        _S.INVALID_ARGUMENT,
        "A message or one of its parts is over its size limit.",
        "Send less at once: fewer categories or targets, a shorter text. Limits are in docs/configuration.md.",
        disbelief=True,
    ),
    ErrorCode.MESSAGE_MALFORMED: ErrorSpec(
        _C,
        _S.INVALID_ARGUMENT,
        "A message is not of the agreed form.",
        "Compare the versions of the two sides; see the log by correlation id.",
        disbelief=True,
    ),
    ErrorCode.WIRE_VERSION_REFUSED: ErrorSpec(
        _C, _S.FAILED_PRECONDITION, "One side speaks an older version of the wire: upgrade it.", "Then ask again."
    ),
    ErrorCode.NHS_NUMBER_INVALID: ErrorSpec(
        _C,
        _S.INVALID_ARGUMENT,
        "That is not an NHS number anybody can have: ten digits, the last of them the modulus 11 check digit, of a "
        "range that is issued.",
        "Check the number against its source; a made-up number is nobody's. Numbers that begin with 999 are for tests, "
        "and a node takes them only with `test_numbers = true`. Nothing was sent to anyone.",
    ),
    ErrorCode.PURPOSE_UNKNOWN: ErrorSpec(
        _C,
        _S.INVALID_ARGUMENT,
        "That purpose code is not in the policy bundle.",
        "Use a code from the policy guide. Nothing was sent to anyone.",
    ),
    ErrorCode.CATEGORY_UNKNOWN: ErrorSpec(
        _C,
        _S.INVALID_ARGUMENT,
        "That category is not in the policy bundle.",
        "Use a category from the policy guide. Nothing was sent to anyone.",
    ),
    ErrorCode.TIER_UNKNOWN: ErrorSpec(
        _C, _S.INVALID_ARGUMENT, "A tier is T0, T1 or T2.", "Write the category as NAME:T0, NAME:T1 or NAME:T2."
    ),
    ErrorCode.PERIOD_INVALID: ErrorSpec(
        _C,
        _S.INVALID_ARGUMENT,
        "The period is not two dates in order (YYYY-MM-DD), or begins in the future.",
        "Correct the dates.",
    ),
    ErrorCode.USER_UNKNOWN: ErrorSpec(
        _C,
        _S.PERMISSION_DENIED,
        "That user is not known to this node.",
        "The node operator adds users and their roles to the node's users file.",
    ),
    ErrorCode.DATASET_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "This node has no such source or dataset.",
        "`wardgate node status` lists both. A dataset is known once its source has been tried.",
    ),
    ErrorCode.REJECT_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "No such rejected row is open: it reads by now, or somebody has dismissed it.",
        "`wardgate node sources rejects` lists what is open.",
    ),
    ErrorCode.READING_NOT_COUNTED: ErrorSpec(
        _C,
        _S.FAILED_PRECONDITION,
        "The dataset has not been read completely, so there is nothing that could be accepted.",
        "Mend what `wardgate node sources check` names, read again, and accept what was read.",
    ),
    ErrorCode.AGENCY_UNKNOWN: ErrorSpec(
        _C, _S.NOT_FOUND, "That agency is not in the directory.", "Check its id; enrolment may not be finished."
    ),
    ErrorCode.TARGET_UNKNOWN: ErrorSpec(
        _C,
        _S.INVALID_ARGUMENT,
        "The query names a target that the current directory does not list.",
        "The node refreshes its directory and asks again by itself; if it persists, compare directory versions.",
    ),
    ErrorCode.QUERY_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "No such query for this caller.",
        "Check the query id. Closed queries keep only their ledger entries.",
    ),
    ErrorCode.QUERY_CONFLICT: ErrorSpec(
        _C,
        _S.ALREADY_EXISTS,
        "Another query with this id exists.",
        "Never reuse a query id; ask again under a new one.",
    ),
    ErrorCode.QUERY_EXPIRED: ErrorSpec(
        _C,
        _S.FAILED_PRECONDITION,
        "The query is outside its time of validity.",
        "Set the clock that is named (NTP), or check both where none is; ask again.",
    ),
    ErrorCode.REFERRAL_UNKNOWN: ErrorSpec(
        _C, _S.NOT_FOUND, "No such referral or alert in this inbox.", "List the inbox again; it may have expired."
    ),
    ErrorCode.NAME_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "There is nothing of that name.",
        "The message names what there is.",
    ),
    ErrorCode.REFERRAL_DECIDED: ErrorSpec(
        _C,
        _S.FAILED_PRECONDITION,
        "This has been decided, or seen, already.",
        "A decision is made once; read it in the ledger.",
    ),
    ErrorCode.REFERRAL_ENDED: ErrorSpec(
        _C,
        _S.FAILED_PRECONDITION,
        "This can no longer be decided.",
        "Nobody decided in time, or the question was withdrawn. Ring whoever asked; they may ask again.",
    ),
    ErrorCode.GROUND_UNKNOWN: ErrorSpec(
        _C, _S.INVALID_ARGUMENT, "This ground does not carry this decision.", "Name one of those listed (`--ground`)."
    ),
    ErrorCode.QUOTA_EXCEEDED: ErrorSpec(
        _C,
        _S.RESOURCE_EXHAUSTED,
        "This agency has used up its quota of identifier evaluations.",
        "Wait for the next hour; a larger caseload needs its quota raised by two approvals.",
    ),
    ErrorCode.REPORTS_EXCEEDED: ErrorSpec(
        _C,
        _S.RESOURCE_EXHAUSTED,
        "This agency has used up its reports of this hour.",
        "Nothing: they are sent again.",
        retryable=True,
    ),
    ErrorCode.QUERIES_EXCEEDED: ErrorSpec(
        _C,
        _S.RESOURCE_EXHAUSTED,
        "This agency has put as many queries as are taken.",
        "Nothing: it is put again.",
        retryable=True,
    ),
    ErrorCode.CALLS_EXCEEDED: ErrorSpec(
        _C,
        _S.RESOURCE_EXHAUSTED,
        "This caller has as many calls open as it may.",
        "Wait, and call again.",
        retryable=True,
    ),
    ErrorCode.REPLAYED: ErrorSpec(
        _C,
        _S.ALREADY_EXISTS,
        "A signed message was presented a second time.",
        "If you did not retry by hand, treat it as an attack and look at both ledgers.",
    ),
    ErrorCode.ENROLMENT_REFUSED: ErrorSpec(
        _C,
        _S.PERMISSION_DENIED,
        "Enrolment refused: the token is unknown, used or expired, or the request was rejected.",
        "Ask the gateway operator for a new invitation.",
    ),
    ErrorCode.DESCRIPTION_REJECTED: ErrorSpec(
        _C,
        _S.PERMISSION_DENIED,
        "That is not how this agency is described, or it has not signed it.",
        "Agency and operator must have the same description, byte for byte in its canonical form: the message and the "
        "gateway's log name what differs. Send each other the file and try again.",
    ),
    ErrorCode.SECOND_OPERATOR_NEEDED: ErrorSpec(
        _C,
        _S.PERMISSION_DENIED,
        "Whoever invited an agency does not approve it: another operator does.",
        "Have another operator of the gateway compare the fingerprint and approve. Either of the two may reject.",
    ),
    ErrorCode.CLAIM_REFUSED: ErrorSpec(
        _C,
        _S.PERMISSION_DENIED,
        "No certificate on this claim: nobody is known here by this name and key, the claim is of another time, or "
        "the party was away for too long.",
        "An operator's name and key must stand in the gateway's settings, and the gateway must have been restarted "
        "since. An agency must be enrolled, and back within `absence_days`. Check this machine's clock (NTP).",
    ),
    ErrorCode.TASK_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "No such task for this agency.",
        "The task was cancelled, expired or answered already; nothing to do.",
    ),
    ErrorCode.TEAM_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "No such team that this agency leads or has a member in.",
        "Check the team's id. An agency whose last member was removed no longer sees the team.",
    ),
    ErrorCode.TEAM_MEMBER_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "The team has no such member.",
        "`wardgate node team show` lists agencies and user references of the members.",
    ),
    ErrorCode.TEAM_CONFLICT: ErrorSpec(
        _C,
        _S.FAILED_PRECONDITION,
        "The team or case grant is no longer as the order presumes.",
        "Somebody else changed it, it has this member already, or the order came before: look at it and order again.",
    ),
    ErrorCode.TEAM_FULL: ErrorSpec(
        _C,
        _S.RESOURCE_EXHAUSTED,
        "The team has as many members or open case grants, or the agency as many teams, as there may be.",
        "Remove members, or close case grants or teams, that are no longer needed.",
    ),
    ErrorCode.CASE_GRANT_UNKNOWN: ErrorSpec(
        _C,
        _S.NOT_FOUND,
        "No such case grant of a team that this agency leads or has a member in.",
        "Check the grant's id with the team's lead. Nothing was asked of anyone.",
    ),
    ErrorCode.APPROVAL_REFUSED: ErrorSpec(
        _C,
        _S.PERMISSION_DENIED,
        "That approval of a member does not count.",
        "It must be signed by a person whom the trustee's settings name, with that person's own key, and be of the "
        "agency as the directory lists it now. `wardgate trustee pending` shows what is to be approved.",
    ),
    ErrorCode.RECOVERY_REFUSED: ErrorSpec(
        _C,
        _S.FAILED_PRECONDITION,
        "That recovery of a ledger is not taken.",
        "It must be signed by the ledger's keeper and agreed to by the other holder, and name everything that was seen "
        "here. docs/operations.md, *A ledger that lost its end*, has the order of the commands.",
    ),
    ErrorCode.NOT_AUTHENTICATED: ErrorSpec(
        _P,
        _S.UNAUTHENTICATED,
        "The certificate does not name an enrolled party.",
        "Enrol, or renew the certificate.",
        retryable=True,
    ),
    ErrorCode.NOT_AUTHORISED: ErrorSpec(
        _P,
        _S.PERMISSION_DENIED,
        "This party may not call this method.",
        "Methods without an authorisation row are refused.",
    ),
    ErrorCode.CERTIFICATE_REVOKED: ErrorSpec(
        _P, _S.PERMISSION_DENIED, "This party has been revoked.", "Speak to the gateway operator."
    ),
    ErrorCode.SIGNATURE_REJECTED: ErrorSpec(
        _P,
        _S.PERMISSION_DENIED,
        "A signature does not verify.",
        "Somebody altered the message or signed with another key. Keep both logs; do not retry.",
        disbelief=True,
    ),
    ErrorCode.ENVELOPE_REJECTED: ErrorSpec(
        _P,
        _S.PERMISSION_DENIED,
        "A sealed message does not open or does not belong here.",
        "The key was swapped or the message was moved to another context. Keep both logs; do not retry.",
    ),
    ErrorCode.PROOF_REJECTED: ErrorSpec(
        _P,
        _S.PERMISSION_DENIED,
        "A proof about a key does not verify.",
        "The holder used another key than it published. Stop using it; keep the messages.",
    ),
    ErrorCode.DIRECTORY_REJECTED: ErrorSpec(
        _P,
        _S.FAILED_PRECONDITION,
        "The directory, a key or a description in it does not verify.",
        "A key was changed without the proof that it stands in the ledger, or an agency is described as it has not "
        "signed. Speak to the gateway operator by phone.",
        disbelief=True,
    ),
    ErrorCode.REGISTER_REJECTED: ErrorSpec(
        _P,
        _S.FAILED_PRECONDITION,
        "The trustee's register of members is missing, has expired or does not verify.",
        "Nobody is believed to be a member without it. Speak to the trustee's operators, not the gateway's: the "
        "trustee must run, and the gateway must pass on what it signs.",
        disbelief=True,
    ),
    ErrorCode.LEDGER_FORKED: ErrorSpec(
        _P,
        _S.FAILED_PRECONDITION,
        "A ledger does not extend what it showed before.",
        "Its history was rewritten, or it was put back to an older state. `wardgate ledger forks` shows and saves both "
        "checkpoints. Speak to its keeper; the way back is `wardgate recovery`.",
        disbelief=True,
    ),
    ErrorCode.EPOCH_UNKNOWN: ErrorSpec(
        _P,
        _S.FAILED_PRECONDITION,
        "That key epoch is not in use.",
        "Refresh the directory. A question that was put under it is put again.",
    ),
    ErrorCode.EPOCH_IN_USE: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "That key epoch is still in use.",
        "An agency's only epoch is not retired: open the next one first. The trustee retires one after the gateway has "
        "(`wardgate gateway epoch-retire`): while the directory names it, questions that touch the agency would fail.",
    ),
    ErrorCode.EPOCH_NOT_OPENED: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "The trustee has opened no newer key epoch of that agency.",
        "The trustee's operator opens it first, with `wardgate trustee epoch-open`; a running trustee states it after "
        "some seconds. Then repeat the command.",
    ),
    ErrorCode.CASELOAD_NOT_MOVED: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "That agency's caseload is not known to have left the key epoch.",
        "Wait until `wardgate gateway epochs` says so: its node must be attached, and moves by itself. With `--force` "
        "the epoch is retired all the same; the agency answers `error` until its node has moved.",
    ),
    ErrorCode.POINTS_REPLACED: ErrorSpec(
        _P,
        _S.FAILED_PRECONDITION,
        "The directory shows another pseudonym key of this agency than before, in the same epoch. Nothing was asked.",
        "Somebody replaced a key, or published a wrong one. Speak to the gateway operator by phone. Until the old "
        "point is shown again, or a new epoch, this agency finds nobody and can ask nobody.",
        disbelief=True,
    ),
    ErrorCode.CLOCK_DIFFERS: ErrorSpec(
        _P,
        _S.FAILED_PRECONDITION,
        "The clocks of two parties differ by more than ten seconds.",
        "Set the clock of the one that is named (NTP); where none is named, compare both with a third.",
    ),
    ErrorCode.PEER_UNAVAILABLE: ErrorSpec(
        _P,
        _S.UNAVAILABLE,
        "The other side cannot be reached.",
        "Check that it runs and that the network lets it through; it is retried.",
        retryable=True,
    ),
    ErrorCode.DEADLINE_EXCEEDED: ErrorSpec(
        _P,
        _S.DEADLINE_EXCEEDED,
        "The other side did not answer in time.",
        "It is retried; look at the other side's health.",
        retryable=True,
    ),
    ErrorCode.LEDGER_UNAVAILABLE: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "The ledger cannot be written, so nothing was done.",
        "Free disk space or restore the database; then retry.",
        retryable=True,
    ),
    ErrorCode.OUTCOME_UNKNOWN: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "It is not known yet whether this was recorded: the database did not say whether it committed.",
        "Look before you do it again: the service finds out as soon as it reaches its database, and goes on with what "
        "was recorded. Check the database and the network to it.",
        retryable=True,
    ),
    ErrorCode.STORE_UNAVAILABLE: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "The store cannot be used.",
        "Check the database; nothing was done.",
        retryable=True,
    ),
    ErrorCode.TRUSTEE_UNAVAILABLE: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "The trustee cannot be reached, so no query can be routed.",
        "Check the trustee's health and the network to it.",
        retryable=True,
    ),
    ErrorCode.REVOCATION_UNKNOWN: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "It cannot be checked whether the caller has been revoked, so nobody is served.",
        "The deny list comes from the gateway: check that this service can reach it.",
        retryable=True,
    ),
    ErrorCode.POLICY_UNAVAILABLE: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "The policy engine gives no decision at the moment, so nothing was done and nothing was refused.",
        "Ask again; the services do so by themselves. If it persists, check the engine and the bundle.",
        retryable=True,
    ),
    ErrorCode.BUNDLE_REJECTED: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "The policy bundle does not verify.",
        "Install a bundle signed by the policy authority, newer than the last.",
    ),
    ErrorCode.KEYRING_REJECTED: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "The keyring cannot be used.",
        "Key files must exist, be readable by their owner alone (0600) and be whole.",
    ),
    ErrorCode.SETTINGS_INVALID: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "The settings are not valid.",
        "Run `check-config`; docs/configuration.md lists every setting.",
    ),
    ErrorCode.MAPPING_INVALID: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "A source's mapping file is not valid.",
        "The message names file, category and column.",
    ),
    ErrorCode.SOURCE_UNREADABLE: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "A source system cannot be read.",
        "Check path, credentials and that the system runs; the last caseload stays in force.",
    ),
    ErrorCode.FILE_INVALID: ErrorSpec(
        _O,
        _S.INVALID_ARGUMENT,
        "A file that was given is not valid.",
        "The message names the place in it; its format is described under docs/.",
    ),
    ErrorCode.LEDGER_INVALID: ErrorSpec(
        _O,
        _S.DATA_LOSS,
        "The ledger does not verify.",
        "The first bad index is named. Keep a copy before anything else.",
        disbelief=True,
    ),
    ErrorCode.POLICY_SOURCE_INVALID: ErrorSpec(
        _O,
        _S.FAILED_PRECONDITION,
        "The policy sources are not fit to be built.",
        "Mend what the detail names; `wardgate policy lint` and `wardgate policy test` list everything at once.",
    ),
    ErrorCode.OPA_UNAVAILABLE: ErrorSpec(
        _O,
        _S.UNAVAILABLE,
        "The OPA command that writing policy needs was not found, or is of another version.",
        "Run `make .cache/opa/bin/opa`, or name the pinned version with `--opa`. Running Wardgate needs none.",
    ),
    ErrorCode.INTERNAL: ErrorSpec(
        Family.INTERNAL,
        _S.INTERNAL,
        "Something unforeseen happened.",
        "Look the correlation id up in the log and report it.",
    ),
}
