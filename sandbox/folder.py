"""Where everything of one sandbox lies below its folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.errors import ErrorCode, WardgateError


@dataclass(frozen=True, slots=True)
class SandboxFolder:
    """Paths of one sandbox.

    Attributes:
        root: The folder given with `--dir`.
    """

    root: Path

    @property
    def state_file(self) -> Path:
        """What runs: ports and process ids."""
        return self.root / "sandbox.json"

    @property
    def bundle(self) -> Path:
        """The signed policy bundle all services load."""
        return self.root / "policy" / "bundle"

    @property
    def bundle_key(self) -> Path:
        """The policy authority's verify key."""
        return self.root / "policy" / "authority.pub"

    @property
    def audit_key(self) -> Path:
        """The auditors' verify key, which everybody pins."""
        return self.root / "auditor" / "audit.pub"

    @property
    def audit_statements(self) -> Path:
        """The auditors' signed key statements."""
        return self.root / "auditor" / "audit-keys.json"

    def person(self, name: str) -> Path:
        """Keyring of one of the trustee's people: of nobody else, and on no machine of the federation in earnest."""
        return self.root / "people" / name

    def operator(self, name: str) -> Path:
        """Folder of one of the gateway's operators: theirs alone, and on a machine of their own in earnest."""
        return self.root / "operators" / name

    @property
    def gateway_config(self) -> Path:
        """The gateway's settings."""
        return self.root / "gateway" / "gateway.toml"

    @property
    def trustee_config(self) -> Path:
        """The trustee's settings."""
        return self.root / "trustee" / "trustee.toml"

    def node(self, agency: str) -> Path:
        """One node's folder."""
        return self.root / "nodes" / agency

    def node_config(self, agency: str) -> Path:
        """One node's settings."""
        return self.node(agency) / "node.toml"

    def service_data(self, service: str) -> Path:
        """Data folder of `gateway`, `trustee` or an agency."""
        return (self.root / service if service in {"gateway", "trustee"} else self.node(service)) / "data"

    def log(self, service: str) -> Path:
        """Log of `gateway`, `trustee` or an agency."""
        return self.root / "logs" / f"{service}.log"

    def read_state(self) -> dict[str, Any]:
        """What `up` wrote.

        Raises:
            WardgateError: `FILE_INVALID`: there is no sandbox in this folder.
        """
        try:
            found: dict[str, Any] = json.loads(self.state_file.read_text())
        except (OSError, ValueError) as error:
            raise WardgateError(ErrorCode.FILE_INVALID, "no sandbox in this folder") from error
        return found

    def write_state(self, state: dict[str, Any]) -> None:
        """Write what runs, in the place of what was there."""
        scratch = self.state_file.with_suffix(".new")
        scratch.write_text(json.dumps(state, indent=1))
        scratch.replace(self.state_file)
