"""The auditors' keys, as a test's federation has them."""

from dataclasses import dataclass, field

from federation.directory import AUDITORS, SignedStatement
from federation.key_statement import state_keys
from keys.envelope import SealingKey
from keys.signing import SigningKey, VerifyKey

NOW = 1_700_000_000


@dataclass
class Auditors:
    """Their keys of today, and every statement of them, oldest first."""

    sealing: SealingKey = field(default_factory=SealingKey.generate)
    signing: SigningKey = field(default_factory=SigningKey.generate)
    statements: list[SignedStatement] = field(default_factory=list)
    anchor: VerifyKey = field(init=False)

    def __post_init__(self) -> None:
        self.anchor = self.signing.verify_key
        self.statements = [state_keys(AUDITORS, self.signing, self.sealing.public, issued_at=NOW)]

    def succeed(self) -> None:
        """State new keys, signed by those of today."""
        before, self.signing, self.sealing = self.signing, SigningKey.generate(), SealingKey.generate()
        version = len(self.statements) + 1
        self.statements.append(
            state_keys(
                AUDITORS,
                self.signing,
                self.sealing.public,
                version=version,
                sealing_epoch=version,
                predecessor=before,
                issued_at=NOW,
            )
        )
