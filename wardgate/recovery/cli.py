"""`wardgate recovery`: the way back after a ledger lost entries that others had seen. Nobody can take it alone.

seen      at every party that follows the ledger: write down what it saw last
propose   at its keeper: say from where it goes on, and what was lost
accept    at the other holder, who signs; then at every other party
complete  at its keeper: go on
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from federation.command import emit, fail_with_code
from federation.england import iso_in_england
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import write_public
from federation.recovery import follower, keeper
from federation.recovery.documents import Proposal, Sighting, SignedRecovery
from wardgate.services import at_hand_of, keeper_of

recovery_app = typer.Typer(
    no_args_is_help=True,
    help="Go on with a ledger that lost entries which others had seen: proposed by its keeper, accepted by all others.",
)

Config = Annotated[
    Path, typer.Option("--config", exists=True, dir_okay=False, help="The settings of the service on this machine.")
]
Seen = Annotated[
    list[Path],
    typer.Option("--seen", exists=True, dir_okay=False, help="What `seen` wrote at another party. Repeatable."),
]
Given = Annotated[
    Path, typer.Option("--recovery", exists=True, dir_okay=False, help="The recovery, as it was handed over.")
]
Out = Annotated[Path, typer.Option("--out", help="Where to write it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is written.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@recovery_app.command()
@fail_with_code
def seen(config: Config, out: Out, as_json: Json = False) -> None:
    """Write down what this party saw last of the ledgers that it follows; nothing in it is secret.

    Hand the file to the keeper of the ledger. Run it at the other holder and at as many agencies as can be reached:
    whoever saw more than is named in the recovery cannot accept it.
    """
    sighting = asyncio.run(follower.sighting(at_hand_of(config)))
    write_public(out, sighting.canonical())
    sizes = {origin: ledger.checkpoint.split("\n")[1] for origin, ledger in sighting.ledgers.items()}
    emit({"written": out.name, "entries_seen": sizes}, as_json=as_json)


@recovery_app.command()
@fail_with_code
def propose(
    config: Config,
    seen: Seen,
    reason: Annotated[
        str, typer.Option(help="What happened, for those who are asked to accept. Nobody's personal data.")
    ],
    out: Out,
    as_json: Json = False,
) -> None:
    """At the ledger's keeper, its service off: propose that the ledger goes on from what is there."""
    signed = asyncio.run(keeper.propose(keeper_of(config), _sightings(seen), reason))
    write_public(out, signed.canonical())
    emit({"written": out.name, **_shown(signed.verify(at_hand_of(config).centre))}, as_json=as_json)


@recovery_app.command()
@fail_with_code
def accept(
    config: Config,
    recovery: Given,
    out: Annotated[
        Path | None, typer.Option("--out", help="At the other holder: where to write it with your signature.")
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Accept a recovery: follow the ledger from what is kept. First at the other holder, who signs; then at the others.

    Speak to the ledger's keeper over another channel first: whoever rewrote a ledger would propose one too.
    """
    party, signed = at_hand_of(config), SignedRecovery.parse(recovery.read_bytes())
    proposal = signed.verify(party.centre)
    is_counterpart = party.centre.counterpart(proposal.keeper).name == party.party.ledger
    if not yes:
        emit({"would_accept": _shown(proposal), "done": False}, as_json=as_json)
        return
    if is_counterpart and out is None:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, "--out: all others need the recovery with your signature")
    agreed = asyncio.run(follower.accept(party, signed))
    if is_counterpart and out is not None:
        write_public(out, agreed.canonical())
    emit({"accepted": _shown(proposal), "done": True}, as_json=as_json)


@recovery_app.command()
@fail_with_code
def complete(config: Config, recovery: Given, seen: Seen, yes: Yes = False, as_json: Json = False) -> None:
    """At the ledger's keeper, its service off: go on. Give what was given to `propose`. It may be repeated."""
    signed = SignedRecovery.parse(recovery.read_bytes())
    shown = _shown(signed.verify(at_hand_of(config).centre))
    if not yes:
        emit({"would_complete": shown, "done": False}, as_json=as_json)
        return
    size = asyncio.run(keeper.complete(keeper_of(config), signed, _sightings(seen)))
    emit({"completed": shown, "entries": size, "done": True}, as_json=as_json)


def _sightings(paths: list[Path]) -> list[Sighting]:
    return [Sighting.parse(path.read_bytes()) for path in paths]


def _shown(proposal: Proposal) -> dict[str, Any]:
    """What people read before they agree."""
    recovery = proposal.recovery
    return {
        "ledger": proposal.keeper.name,
        "reason": recovery.reason,
        "proposed": iso_in_england(recovery.at),
        "entries_kept": proposal.kept.size,
        "entries_seen": proposal.lost.size,
        "same_up_to": recovery.common,
        "versions_seen": dict(recovery.versions),
        "agreed_by_the_other_holder": proposal.by_both,
        "sha256": proposal.digest.hex(),
    }
