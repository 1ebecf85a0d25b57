"""Explains a decision from the bundle's own words: its catalogue, its data, what its rules say of themselves. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from federation.policy.authoring import bounds
from federation.policy.authoring.bounds import flags_reaching
from federation.policy.authoring.explanation import (
    Explanation,
    FieldWhy,
    ObligationWhy,
    PartWhy,
    ReasonWhy,
    TierWhy,
)
from federation.policy.authoring.reading import places_naming
from federation.policy.authoring.rules import RuleNote, giving, of_a_row
from federation.policy.decision import Decision, GatewayDecision, NodeDecision
from federation.policy.results import Obligation, Reason, RecordDecision
from federation.vocabulary import Effect

HEADS: Final = {Effect.WITHHOLD: ("withheld",), Effect.REFER: ("referred", "noted"), Effect.PERMIT: ("noted",)}
"""Which rules can have given a flag's reason, by the effect on the record."""

KNOWN: Final = frozenset({"effect", "reasons", "obligations", "targets", "records"})
"""Parts of a result that the explanation takes apart; the rest is shown as it is."""
KNOWN_OF_PARTS: Final = frozenset(
    {"agency", "ref", "effect", "tier", "fields", "redactions", "categories", "reasons", "obligations"}
)

Json = Any


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains decisions of one bundle on one input.

    Attributes:
        reference: The bundle's data.
        rules: Its Rego, by file.
        notes: What its rules say of themselves.
        entry_point: Which rule decided.
        document: The input that was decided on.
    """

    reference: Json
    rules: Mapping[str, bytes]
    notes: Sequence[RuleNote]
    entry_point: str
    document: Json

    def explain(self, decision: Decision, value: Mapping[str, Any], detail: str) -> Explanation:
        """Explain one decision.

        Args:
            decision: As a service would act on it.
            value: The engine's own words.
            detail: What the schema or the engine had to say against the input.
        """
        further = _further(value, KNOWN)
        return Explanation(
            entry_point=self.entry_point,
            effect=decision.effect.value,
            detail=detail,
            reasons=self._reasons(decision.reasons),
            obligations=self._obligations(decision.obligations),
            parts=tuple(
                replace(part, further=_further(said, KNOWN_OF_PARTS))
                for part, said in self._said(self._parts(decision), value)
            ),
            further=further,
        )

    def _parts(self, decision: Decision) -> Iterator[PartWhy]:
        codes = [reason.code for reason in decision.reasons]
        match decision:
            case GatewayDecision():
                for target in decision.targets:
                    tiers = tuple(
                        TierWhy(
                            granted.name,
                            granted.tier.value,
                            bounds.of_category(self.reference, self.document, granted.name, granted.tier, codes),
                        )
                        for granted in target.categories
                    )
                    reasons, owed = self._reasons(target.reasons), self._obligations(target.obligations)
                    yield PartWhy(target.agency, target.effect.value, tiers, (), (), reasons, owed, {})
            case NodeDecision():
                records = self.document.get("records") if decision.failure is None else []
                by_ref = {record["ref"]: record for record in records}
                for decided in decision.records:
                    yield self._record(by_ref.get(decided.ref), decided, codes)

    @staticmethod
    def _said(parts: Iterable[PartWhy], value: Mapping[str, Json]) -> Iterator[tuple[PartWhy, Mapping[str, Json]]]:
        """Each part with the engine's own words about it; none where the program refused for policy."""
        own: list[Mapping[str, Json]] = value.get("targets") or value.get("records") or []
        by_name = {item.get("agency", item.get("ref")): item for item in own}
        yield from ((part, by_name.get(part.name, {})) for part in parts)

    def _record(self, record: Json, decided: RecordDecision, codes: Iterable[str]) -> PartWhy:
        tiers: tuple[TierWhy, ...] = ()
        kept: tuple[FieldWhy, ...] = ()
        if record is not None and decided.effect is not Effect.WITHHOLD:
            found = bounds.of_record(self.reference, self.document, record, decided, codes)
            tiers = (TierWhy(record["category"], decided.tier.value, found),)
            kept = tuple(self._kept(record, decided))
        return PartWhy(
            name=decided.ref,
            effect=decided.effect.value,
            tiers=tiers,
            released=decided.fields,
            kept=kept,
            reasons=self._reasons(decided.reasons, decided.effect),
            obligations=self._obligations(decided.obligations),
            further={},
        )

    def _kept(self, record: Json, decided: RecordDecision) -> Iterator[FieldWhy]:
        fields = self.reference["categories"].get(record["category"], {}).get("fields", {})
        for name in record["fields"]:
            if name in decided.redactions:
                yield FieldWhy(
                    name, f"redacted by {', '.join(self._redactors(record, name, fields)) or 'another rule'}"
                )
            elif name not in decided.fields:
                yield FieldWhy(name, self._left_out(fields.get(name), decided))

    def _redactors(self, record: Json, name: str, fields: Mapping[str, Json]) -> Iterator[str]:
        tags = set(fields.get(name, {}).get("tags", []))
        for flag in flags_reaching(self.reference, self.document, record):
            redact = self.reference["flags"].get(flag, {}).get("redact", {"tags": [], "fields": []})
            by_tag = sorted(tags & set(redact["tags"]))
            if by_tag:
                yield f"flag {flag} (as {', '.join(by_tag)})"
            elif name in redact["fields"]:
                yield f"flag {flag}"
        if name in self.document["overlay"]["fields_never"]:
            yield "the agency's overlay"

    def _left_out(self, definition: Json, decided: RecordDecision) -> str:
        if definition is None:
            return "the category does not list it"
        if definition["tier"] > decided.tier.value:
            return f"given from tier {definition['tier']}"
        return "protected: the purpose does not name it" if definition["protected"] else "another rule"

    def _reasons(self, reasons: Iterable[Reason], effect: Effect | None = None) -> tuple[ReasonWhy, ...]:
        return tuple(self._reason(reason, effect) for reason in reasons)

    def _reason(self, reason: Reason, effect: Effect | None) -> ReasonWhy:
        row = self.reference["reasons"][reason.code]
        rules = self._rules(reason.code, effect)
        return ReasonWhy(
            code=reason.code,
            audience=reason.audience.value,
            severity=reason.severity.value,
            legal_basis=row["legal_basis"],
            user=row["user"],
            auditor=row["auditor"],
            rules=rules,
            places=() if rules else tuple(places_naming(self.rules, reason.code)),
        )

    def _rules(self, code: str, effect: Effect | None) -> tuple[RuleNote, ...]:
        package = self.entry_point.rpartition("/")[0].replace("/", ".")
        found = giving(self.notes, code, package)
        if effect is not None and of_a_row(code):
            by_row = giving(self.notes, of_a_row(code), package)
            found += [note for note in by_row if note.head in HEADS.get(effect, ())]
        return tuple(note for note in found if not note.entrypoint or effect is None)

    def _obligations(self, obligations: Iterable[Obligation]) -> tuple[ObligationWhy, ...]:
        rows = self.reference["obligations"]
        return tuple(
            ObligationWhy(item.id, item.type, item.mandatory, dict(item.params), rows[item.id]["text"])
            for item in obligations
        )


def _further(said: Mapping[str, Json], known: frozenset[str]) -> dict[str, Json]:
    return {key: item for key, item in said.items() if key not in known}
