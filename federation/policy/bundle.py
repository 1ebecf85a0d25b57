"""Signed bundles: policies, their data and schemas as one directory whose every byte is accounted for.

A directory holds `manifest.json` (revision, and the SHA-256 of every other file), `manifest.sig` (the policy
authority's detached Ed25519 signature over the manifest) and exactly the files the manifest names. The built
`policies/dist` carries no signature: the operator's key is not the project's. `install_bundle` copies it beside a
service's data and signs the copy; nothing is ever loaded unsigned.

A bundle is read once into memory; what was verified is what is used, whatever happens to the directory later.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import Field

from federation.document import Document, Hex32, Hex64, Instant
from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle_files import MAX_FILES, read_tree, write_atomically, write_tree
from keys import domains
from keys.digest import sha256
from keys.errors import SignatureRejected
from keys.signing import SigningKey, VerifyKey

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
WASM: Final = "policy.wasm"
DATA: Final = "data.json"
OPA_BUNDLE: Final = "bundle.tar.gz"

AnyDocument = TypeVar("AnyDocument", bound=Document)

FilePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,4}$")]


@dataclass(frozen=True, slots=True, order=True)
class BundleId:
    """Which bundle: the revision orders bundles, the digest (SHA-256 of the manifest, hex) identifies one."""

    revision: int
    digest: str

    def __str__(self) -> str:
        return f"revision {self.revision}, digest {self.digest[:16]}"


class Manifest(Document):
    """`manifest.json`.

    Attributes:
        revision: Grows with every published bundle.
        label: What an OPA server that runs `bundle.tar.gz` reports as this bundle's revision.
        opa_version: The OPA that compiled, tested and is to serve it.
        files: SHA-256 of every file but the manifest and its signature, by path.
    """

    v: Literal[1]
    revision: Annotated[int, Field(ge=1, le=2**40)]
    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:+-]{1,128}$")]
    opa_version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    files: Annotated[dict[FilePath, Hex32], Field(min_length=1, max_length=MAX_FILES)]


class ManifestSignature(Document):
    """`manifest.sig`: who signed, when, and the signature over both the time and the manifest's bytes."""

    v: Literal[1] = 1
    signer: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signed_at: Instant
    signature: Hex64


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle whose signature, file set and digests were found right. Made by `load` alone.

    Attributes:
        id: Revision and digest.
        manifest: The parsed manifest.
        signed_at: Seconds since the epoch, by the signer's clock: the start of the bundle's age.
        files: Every file's content by its path.
    """

    id: BundleId
    manifest: Manifest
    signed_at: int
    files: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def load(cls, directory: Path, verify_key: VerifyKey, *, activated: BundleId | None = None) -> Self:
        """Read and verify a bundle.

        Args:
            directory: Where it was installed.
            verify_key: The policy authority's key.
            activated: The bundle that was activated last. An older revision is refused, and so is another content under
                the same revision.

        Raises:
            WardgateError: `BUNDLE_REJECTED`.
        """
        content = read_tree(directory)
        manifest_bytes, signature_bytes = _pop(content, MANIFEST), _pop(content, SIGNATURE)
        signed_at = _verify_signature(manifest_bytes, signature_bytes, verify_key)
        manifest = _parse(Manifest, manifest_bytes)
        _check_files(manifest, content)
        found = cls(
            id=BundleId(manifest.revision, sha256(manifest_bytes).hex()),
            manifest=manifest,
            signed_at=signed_at,
            files=MappingProxyType(content),
        )
        _check_not_rolled_back(found.id, activated)
        return found

    def file(self, path: str) -> bytes:
        """One file's content.

        Raises:
            WardgateError: `BUNDLE_REJECTED` when the bundle has no such file.
        """
        try:
            return self.files[path]
        except KeyError:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"no {path}") from None

    @property
    def data_sha256(self) -> str:
        """Digest of the reference data, hex: it changes apart from the rules."""
        return self.manifest.files[DATA].hex() if DATA in self.manifest.files else ""


def sign_bundle(directory: Path, signing_key: SigningKey, *, clock: Callable[[], float] = time.time) -> None:
    """Sign a built bundle in place, after checking that it is whole.

    Raises:
        WardgateError: `BUNDLE_REJECTED` when files and manifest do not agree.
    """
    content = read_tree(directory)
    manifest_bytes = _pop(content, MANIFEST)
    content.pop(SIGNATURE, None)
    _check_files(_parse(Manifest, manifest_bytes), content)
    signed_at = int(clock())
    signed = ManifestSignature(
        signer=signing_key.verify_key.hex,
        signed_at=signed_at,
        signature=signing_key.sign(domains.BUNDLE, str(signed_at).encode(), manifest_bytes),
    )
    write_atomically(directory / SIGNATURE, signed.canonical())


def install_bundle(
    source_dist: Path, target_dir: Path, signing_key: SigningKey, *, clock: Callable[[], float] = time.time
) -> VerifiedBundle:
    """Copy a built bundle to where a service will load it, and sign the copy.

    The copy is made, signed and verified beside `target_dir` and then put in its place, so that a reader never
    meets half a bundle. A bundle that stood there before is removed.

    Raises:
        WardgateError: `BUNDLE_REJECTED` when the source is not whole.
    """
    target_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target_dir.parent, prefix=f".{target_dir.name}-") as scratch:
        fresh = Path(scratch) / "fresh"
        content = read_tree(source_dist)
        content.pop(SIGNATURE, None)
        write_tree(fresh, content)
        sign_bundle(fresh, signing_key, clock=clock)
        installed = VerifiedBundle.load(fresh, signing_key.verify_key)
        if target_dir.exists():
            target_dir.rename(Path(scratch) / "replaced")
        fresh.rename(target_dir)
    return installed


def keep_bundle(directory: Path, archive: Path, verify_key: VerifyKey) -> Path:
    """Copy an installed bundle, signature included, to `archive/<digest>`, where replay finds it. Idempotent.

    Raises:
        WardgateError: `BUNDLE_REJECTED` when it does not verify.
    """
    bundle = VerifiedBundle.load(directory, verify_key)
    kept = archive / bundle.id.digest
    if not kept.exists():
        archive.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive, prefix=".keep-") as scratch:
            write_tree(Path(scratch) / "copy", read_tree(directory))
            (Path(scratch) / "copy").rename(kept)
    return kept


def _pop(content: dict[str, bytes], name: str) -> bytes:
    try:
        return content.pop(name)
    except KeyError:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"no {name}") from None


def _verify_signature(manifest: bytes, signature: bytes, verify_key: VerifyKey) -> int:
    signed = _parse(ManifestSignature, signature)
    try:
        verify_key.verify(signed.signature, domains.BUNDLE, str(signed.signed_at).encode(), manifest)
    except SignatureRejected as error:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, "signature") from error
    return signed.signed_at


def _parse(kind: type[AnyDocument], content: bytes) -> AnyDocument:
    try:
        return kind.parse(content)
    except WardgateError as error:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, error.detail) from error


def _check_files(manifest: Manifest, content: Mapping[str, bytes]) -> None:
    listed, present = set(manifest.files), set(content)
    if listed != present:
        different = ", ".join(sorted(listed ^ present)[:5])
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"files and manifest differ: {different}")
    for name, digest in manifest.files.items():
        if sha256(content[name]) != digest:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"digest of {name}")


def _check_not_rolled_back(found: BundleId, activated: BundleId | None) -> None:
    if activated is None or found.revision > activated.revision or found == activated:
        return
    raise WardgateError(
        ErrorCode.BUNDLE_REJECTED, f"revision {found.revision} does not follow {activated.revision} (rollback)"
    )
