"""A bundle opened for looking at: built or signed, whole, with its data and its rules' notes beside it."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from federation.policy.authoring.packing import unpack
from federation.policy.authoring.rules import RuleNote, rule_notes
from federation.policy.bundle import DATA, OPA_BUNDLE, VerifiedBundle, install_bundle
from keys.signing import SigningKey


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """What authors look at.

    Attributes:
        bundle: As engines take it. Its signature is of a key made for this look and thrown away: whose bundle it is
            says `wardgate policy verify` alone.
        reference: The reference data, by document.
        rules: The Rego of the bundle, by file.
        notes: What the rules say of themselves.
    """

    bundle: VerifiedBundle
    reference: Mapping[str, Any]
    rules: Mapping[str, bytes]
    notes: tuple[RuleNote, ...]

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Open a folder with a built or a signed bundle; nothing in it is changed.

        Raises:
            WardgateError: `BUNDLE_REJECTED`: it is not whole.
        """
        with tempfile.TemporaryDirectory() as scratch:
            bundle = install_bundle(directory, Path(scratch) / "bundle", SigningKey.generate())
        packed = unpack(bundle.file(OPA_BUNDLE))
        rules = {name: content for name, content in packed.items() if name.endswith(".rego")}
        reference = json.loads(bundle.file(DATA))["reference"]
        return cls(bundle, reference, rules, tuple(rule_notes(rules)))
