"""The people of this node: a file its operator keeps (TOML or JSON), and what policy may know of each.

The file is read again whenever it changes, so that a person who left is gone without a restart. A changed file that
does not parse stops every look-up: an old list of users is never used in its place.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.canonical import JsonObject
from federation.document import Code
from federation.errors import ErrorCode, WardgateError
from federation.policy_input import date_parts
from federation.vocabulary import UserRef
from keys.digest import keyed_reference
from keys.secret import Secret

MAX_USERS_FILE_BYTES = 4 * 1024 * 1024
"""Some 10,000 people; the largest authority has fewer who work with children."""


class User(BaseModel):
    """One person who may use this node.

    Attributes:
        id: How the person signs in: known inside this node only.
        name: For colleagues' screens and the audit key; never sent in the clear.
        role: The role of the policy bundle.
        case_role: The person's part in the child's case (`lead_practitioner`, ...), or empty.
        grants: Purposes or powers given by name.
        training_expires: Last day on which the safeguarding training counts.
        employment_ends: Last day of work here, if known.
        conflicted: Declared an interest that bars the person from asking.
        supervised: Works under another's supervision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=200)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Code
    case_role: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    grants: tuple[Code, ...] = ()
    training_expires: date
    employment_ends: date | None = None
    conflicted: bool = False
    supervised: bool = False

    def is_employed(self, today: date) -> bool:
        """Whether the person still works here on a day."""
        return self.employment_ends is None or today <= self.employment_ends

    def is_trained(self, today: date) -> bool:
        """Whether the person's training counts on a day."""
        return today <= self.training_expires

    def policy_input(self, ref: UserRef) -> JsonObject:
        """The person as `wardgate/requester/decision` sees them: no name, no sign-in."""
        return {
            "ref": ref,
            "role": self.role,
            "grants": sorted(self.grants),
            "training_expires": date_parts(self.training_expires.isoformat()),
            "employment_ends": date_parts(self.employment_ends.isoformat()) if self.employment_ends else None,
            "conflicted": self.conflicted,
            "supervised": self.supervised,
            "case_role": self.case_role,
        }


class _UsersDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    user: tuple[User, ...]


def user_ref(key: Secret, user_id: str) -> UserRef:
    """The person's opaque reference outside this node: a keyed hash, 32 hex digits."""
    return UserRef(keyed_reference(key, "user", user_id.encode()))


@dataclass(frozen=True, slots=True)
class Users:
    """The people of one reading of the file."""

    by_id: Mapping[str, User]

    @classmethod
    def parse(cls, content: bytes, *, name: str) -> Self:
        """Read a users file.

        Args:
            content: TOML (`[[user]]` tables) or JSON (`{"user": [...]}`).
            name: The file's name: `.json` means JSON, anything else TOML.

        Raises:
            WardgateError: `SETTINGS_INVALID`, naming place and kind of the first mistake, never a value.
        """
        document = _validated(_read(content, name), name)
        by_id = {user.id: user for user in document.user}
        if len(by_id) != len(document.user):
            raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: two users with one id")
        return cls(by_id)

    def get(self, user_id: str) -> User:
        """One person.

        Raises:
            WardgateError: `USER_UNKNOWN`.
        """
        found = self.by_id.get(user_id)
        if found is None:
            raise WardgateError(ErrorCode.USER_UNKNOWN)
        return found

    def employed(self, user_id: str, today: date) -> User:
        """One person who still works here.

        Raises:
            WardgateError: `USER_UNKNOWN`, also for a person whose employment has ended.
        """
        found = self.get(user_id)
        if not found.is_employed(today):
            raise WardgateError(ErrorCode.USER_UNKNOWN, "employment has ended")
        return found


def _read(content: bytes, name: str) -> dict[str, Any]:
    if len(content) > MAX_USERS_FILE_BYTES:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: larger than {MAX_USERS_FILE_BYTES} bytes")
    try:
        found = json.loads(content) if name.endswith(".json") else tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: not TOML or JSON") from error
    if not isinstance(found, dict):
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: not a table")
    return found


def _validated(content: dict[str, Any], name: str) -> _UsersDocument:
    try:
        return _UsersDocument.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or step.isidentifier())
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: {place}: {first['type']}") from None


@dataclass(slots=True)
class UsersFile:
    """The users file, read again when it changes."""

    path: Path
    _seen: tuple[int, int, int] | None = field(default=None, init=False)
    _users: Users | None = field(default=None, init=False)

    def current(self) -> Users:
        """The people as the file has them now.

        Raises:
            WardgateError: `SETTINGS_INVALID` when the file is missing or does not parse.
        """
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._users is None or seen != self._seen:
                self._users = None
                self._users = Users.parse(self.path.read_bytes(), name=self.path.name)
                self._seen = seen
        except OSError as error:
            raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{self.path.name}: cannot be read") from error
        return self._users
