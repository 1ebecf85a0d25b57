"""Lays what the store has beside what a reading found, and keeps what must not be lost. Blocking: in a worker thread.

* A dataset that is not believed keeps its last sound records; flags that its rows brought are added all the same.
* Nobody leaves by being rejected: a child or record that is missing stays, as one of which no detail is given, while a
  row that could not be read, met when it went missing or edited since, may be its row. So does a child whose key rows
  still name.
* A flag that disappears from a known child or record stays until a person confirms that it may go; of a record that is
  gone its place stays with it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from agency_node.caseload.records import (
    decode_flags,
    flags_of,
    place_alone,
    source_ref_of,
    with_flags,
    without_certainty,
)
from agency_node.caseload.rejects import flag_disappeared, may_be_anybodys
from agency_node.caseload.spool import Listed, Spool, SpooledRecord
from agency_node.sources.record import UNREAD_ROW_FLAG
from agency_node.store.children import Stored
from agency_node.store.reading_rows import RejectRow
from agency_node.vault import Kind, Vault


@dataclass(slots=True)
class Suspects:
    """Rows that could not be read and may be anybody's, by dataset and by the reading that first met them.

    Attributes:
        flagged: Of those, which carry handling flags or may.
        beyond: Datasets with more such rows than are kept, and whether one beyond those may carry flags: it cannot be
            told when they were first met, so that they may hide whatever is missing.
    """

    met: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    flagged: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    beyond: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, rejects: Iterable[RejectRow], beyond: Mapping[str, bool]) -> "Suspects":
        """Of the open rejects of this reading, each with the time at which it was first met."""
        found = cls(beyond=beyond)
        for reject in rejects:
            if may_be_anybodys(reject):
                found.met[reject.dataset].add(reject.first_at)
                if reject.has_flags:
                    found.flagged[reject.dataset].add(reject.first_at)
        return found

    def may_hide(self, datasets: Iterable[str], since: int) -> bool:
        """Whether what went missing at a time may be among them."""
        return any(since in self.met.get(dataset, ()) or dataset in self.beyond for dataset in datasets)

    def may_flag(self, datasets: Iterable[str], since: int) -> bool:
        """Whether one of those may carry a flag."""
        return any(since in self.flagged.get(dataset, ()) or self.beyond.get(dataset) for dataset in datasets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Carries over into a spool what the store has and the reading must not lose.

    Attributes:
        identifying: Datasets that say who there is.
        failing: Datasets that are not believed.
        is_void: The reading is not believed at all: only flags are taken from it.
        suspects: Rows that may be anybody's.
        dismissed: Ids of rejects that a person has dismissed.
        at: Seconds since the epoch of the reading.
        sound_at: Seconds since the epoch of each dataset's last reading that was believed and brought to its end: what
            was noted later is of a run that was stopped, and is noted again.
    """

    spool: Spool
    vault: Vault
    identifying: frozenset[str]
    failing: frozenset[str]
    is_void: bool
    suspects: Suspects
    dismissed: frozenset[str]
    at: int
    sound_at: Mapping[str, int]

    def reconcile(self, child_keys: Iterable[str], stored: Stored) -> None:
        """Bring these children of the spool into line with what is stored of them."""
        holdings = {row.child_key: row for row in stored.holdings}
        records: defaultdict[str, dict[str, SpooledRecord]] = defaultdict(dict)
        for row in stored.records:
            records[row.child_key][row.ref] = SpooledRecord.of(row)
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for row in stored.keys:
            keys[row.child_key].append(row.key_ref)
        for child_key in child_keys:
            listed = self.spool.child(child_key)
            holding = holdings.get(child_key)
            if holding is None:
                if listed is not None:
                    self._new(listed)
            elif listed is None:
                self._missing(holding, records[child_key], keys[child_key])
            else:
                self._known(listed, holding, records[child_key], keys[child_key])

    def _new(self, listed: Listed) -> None:
        """A child that was not known: of datasets that are not believed it has nothing but flags."""
        child_key = listed.child_key
        if self.is_void:
            self._flags_alone(listed)
            return
        for record in list(self.spool.records_of(child_key)):
            if record.dataset in self.failing:
                self.spool.add_flags(child_key, flags_of(self.spool.opened(child_key, record)))
                self.spool.drop_record(child_key, record.ref)

    def _flags_alone(self, listed: Listed) -> None:
        """Another source may hold something of a child that is known to be flagged by a reading that is void."""
        child_key = listed.child_key
        brought = (flags_of(self.spool.opened(child_key, record)) for record in self.spool.records_of(child_key))
        flags = self.spool.flags_of(child_key).union(*brought)
        self.spool.drop_child(child_key)
        if flags:
            self.spool.carry_child(child_key, listed.identifier, (), absent_since=0)
            self.spool.add_flags(child_key, flags)

    def _missing(self, holding: Row[Any], records: Mapping[str, SpooledRecord], keys: Iterable[str]) -> None:
        """A child that the reading does not have."""
        child_key = holding.child_key
        if self.is_void:
            self.spool.carry_child(child_key, holding.identifier, keys, absent_since=holding.absent_since)
            self.spool.add_flags(child_key, self._stored_flags(holding))
            for record in records.values():
                self.spool.carry_record(child_key, record)
            return
        since = self._hidden_since(self.identifying, holding.absent_since)
        if not since and self._is_named(keys):
            since = self._since(self.identifying, holding.absent_since)
        for record in records.values():
            self._keep_missing(child_key, record, since)
        if not since and next(self.spool.records_of(child_key), None) is None:
            return
        self.spool.carry_child(child_key, holding.identifier, keys, absent_since=since)
        self.spool.add_flags(child_key, self._stored_flags(holding))
        if self.suspects.may_flag(self.identifying, since):
            self.spool.add_flags(child_key, {UNREAD_ROW_FLAG})

    def _keep_missing(self, child_key: str, record: SpooledRecord, child_since: int = 0) -> None:
        """A stored record that the reading does not have: it stays where it may only have become unreadable.

        A row of its own dataset that may be its row hides it for longer than one that may be the child's.
        """
        own = self._hidden_since([record.dataset], record.absent_since)
        if record.dataset in self.failing and not child_since:
            self.spool.carry_record(child_key, record)
        elif since := own or child_since:
            self._keep_uncertain(child_key, record, since)

    def _is_named(self, keys: Iterable[str]) -> bool:
        """Whether rows that nobody has dismissed name one of these keys."""
        return any(self.spool.named.get(key, self.dismissed) - self.dismissed for key in keys)

    def _known(
        self, listed: Listed, holding: Row[Any], records: Mapping[str, SpooledRecord], keys: Iterable[str]
    ) -> None:
        """A child that both have."""
        child_key = listed.child_key
        if self.is_void:
            self.spool.add_keys(child_key, keys)
            self.spool.set_absent_since(child_key, holding.absent_since)
        self._keep_child_flags(child_key, holding)
        self._take_flags_of_failing(child_key, records)
        for record in records.values():
            if record.dataset not in self.failing:
                self._keep_record(child_key, holding, record)

    def _since(self, datasets: Iterable[str], absent_since: int) -> int:
        """Since when something of these datasets has been missing: since now, unless an earlier reading said so."""
        sound_at = max((self.sound_at.get(dataset, 0) for dataset in datasets), default=0)
        return absent_since if 0 < absent_since <= sound_at else self.at

    def _hidden_since(self, datasets: Collection[str], absent_since: int) -> int:
        """Since when a row that could not be read may be that of something missing; 0 where none may be.

        A row that is edited while it cannot be read, or that moves where nothing but its place is known, is met as
        another one: it goes on hiding what the row before hid.
        """
        times = (self._since(datasets, absent_since), self.at)
        return next((time for time in times if self.suspects.may_hide(datasets, time)), 0)

    def _keep_child_flags(self, child_key: str, holding: Row[Any]) -> None:
        gone = self._stored_flags(holding) - self.spool.flags_of(child_key)
        if holding.absent_since and not self.is_void:
            gone -= {UNREAD_ROW_FLAG}  # it stood for a row that might have been this child's
        self.spool.add_flags(child_key, (flag for flag in gone if self._stays(holding, "", "", flag)))

    def _stays(self, holding: Row[Any], dataset: str, source_ref: str, flag: str) -> bool:
        """Whether a flag that is gone stays: until a person has dismissed it."""
        number = self.vault.open(Kind.IDENTIFIER, holding.child_key, holding.identifier).decode()
        row = flag_disappeared(
            source_id=self.spool.source_id,
            dataset=dataset,
            number=number,
            source_ref=source_ref,
            flag=flag,
            vault=self.vault,
            at=self.at,
        )
        if row.reject_id in self.dismissed and not self.is_void:
            return False
        if not self.is_void:
            self.spool.rejects.setdefault(row.reject_id, row)
        return True

    def _take_flags_of_failing(self, child_key: str, records: Mapping[str, SpooledRecord]) -> None:
        """Records of datasets that are not believed stay as they were, with the flags that new rows bring."""
        brought: dict[str, frozenset[str]] = {}
        for record in list(self.spool.records_of(child_key)):
            if record.dataset in self.failing:
                brought[record.ref] = flags_of(self.spool.opened(child_key, record))
                self.spool.drop_record(child_key, record.ref)
        for ref, flags in brought.items():
            if ref not in records:
                self.spool.add_flags(child_key, flags)
        for ref, record in records.items():
            if record.dataset not in self.failing:
                continue
            payload = self.spool.opened(child_key, record)
            if brought.get(ref, frozenset()) <= flags_of(payload):
                self.spool.carry_record(child_key, record)
            else:
                united = with_flags(payload, brought[ref])
                self.spool.write_record(child_key, record, united, absent_since=record.absent_since)

    def _keep_record(self, child_key: str, holding: Row[Any], record: SpooledRecord) -> None:
        """A stored record of a dataset that is believed: it stays as read, goes, or may only have become unreadable."""
        read = self.spool.record(child_key, record.ref)
        if read is None:
            self._keep_missing(child_key, record)
            self._keep_flags_of_gone(child_key, holding, record)
            return
        if read.digest == record.digest:
            return
        payload = self.spool.opened(child_key, read)
        gone = flags_of(self.spool.opened(child_key, record)) - flags_of(payload)
        if record.absent_since:
            gone -= {UNREAD_ROW_FLAG}
        source_ref = source_ref_of(payload)
        if kept := frozenset(flag for flag in gone if self._stays(holding, record.dataset, source_ref, flag)):
            self.spool.write_record(child_key, read, with_flags(payload, kept))

    def _keep_flags_of_gone(self, child_key: str, holding: Row[Any], record: SpooledRecord) -> None:
        """A record that left, and with it a flag that nothing else of its child has: its place stays, with the flag.

        On the record and not on its child: how far a flag reaches is for policy to say.
        """
        if self.spool.record(child_key, record.ref) is not None:
            return
        payload = self.spool.opened(child_key, record)
        gone = flags_of(payload)
        if record.absent_since:
            gone -= {UNREAD_ROW_FLAG}
        if not gone:
            return
        others = (flags_of(self.spool.opened(child_key, other)) for other in self.spool.records_of(child_key))
        gone = gone.difference(self.spool.flags_of(child_key), *others)
        source_ref = source_ref_of(payload)
        if kept := frozenset(flag for flag in gone if self._stays(holding, record.dataset, source_ref, flag)):
            since = self._since([record.dataset], record.absent_since)
            self.spool.write_record(child_key, record, place_alone(payload, kept), absent_since=since)

    def _keep_uncertain(self, child_key: str, record: SpooledRecord, since: int) -> None:
        payload = without_certainty(self.spool.opened(child_key, record))
        if self.suspects.may_flag([record.dataset], since):
            payload = with_flags(payload, frozenset({UNREAD_ROW_FLAG}))
        self.spool.write_record(child_key, record, payload, absent_since=since)

    def _stored_flags(self, holding: Row[Any]) -> frozenset[str]:
        row = f"{holding.child_key}/{self.spool.source_id}"
        return decode_flags(self.vault.open(Kind.FLAGS, row, holding.flags))
