# Fields: which fields of a record remain, why each was sufficient to ask for, and which were taken out.
package wardgate.node

import data.wardgate.lib.enquiry
import data.wardgate.lib.purpose
import data.wardgate.lib.tiers

# METADATA
# title: Fields admitted
# description: >-
#   For each category that is held and that the purpose reaches, by the rank of a tier, the fields that the tier admits;
#   each with the column of the purpose that does - its default tier, its highest tier, or the list of protected fields.
#   That column is the reason why the field was sufficient to ask for.
# custom:
#   legal_basis: Children Act 2004 s.16LA ("if and only so far as"); UK GDPR Art 5(1)(c) and (2)
#   reason_code: NONE
admitted := {name: by_rank |
	some name in {record.category | some record in input.records}
	cell := purpose.row.categories[name]
	by_rank := [fields |
		some highest in tiers.name
		fields := {field: ground |
			some field, definition in _categories[name].fields
			tiers.rank[definition.tier] <= tiers.rank[highest]
			ground := _ground(field, definition, cell)
		}
	]
}

# METADATA
# title: Taken out by the purpose
# description: Fields that this purpose never gives - where somebody lives, who reported, what is said of third parties.
# custom:
#   legal_basis: UK GDPR Art 5(1)(c)
#   reason_code: PURPOSE_REDACTS
noted[record.ref] contains "PURPOSE_REDACTS" if {
	some tag in _purpose_tags
	some record in input.records
	some field in _fields_within(record)
	tag in _categories[record.category].fields[field].tags
}

_ground(field, definition, _) := "protected_fields" if {
	definition.protected
	field in purpose.row.protected_fields
}

_ground(_, definition, cell) := "default_tier" if {
	not _protected(definition)
	tiers.rank[definition.tier] <= tiers.rank[cell.default_tier]
}

_ground(_, definition, cell) := "highest_tier" if {
	not _protected(definition)
	tiers.rank[definition.tier] > tiers.rank[cell.default_tier]
}

_protected(definition) if definition.protected

_purpose_tags := {tag | some tag in purpose.row.redact_tags}

_names_never := {field | some field in input.overlay.fields_never}

_tags_redacted := {flag: {tag | some tag in _rows[flag].redact.tags} | some flag in redacting_flags}

_names_redacted := {flag: {field | some field in _rows[flag].redact.fields} | some flag in redacting_flags}

_admitted_of(record) := admitted[record.category][tier_rank[record.ref]]

_fields_within(record) := [field |
	some field in record.fields
	_admitted_of(record)[field]
]

# Of the fields within the tier, those that a flag, the purpose or the agency's overlay takes out.
_taken(record, within) := _taken_by(record, within, flags_of[record.ref] & redacting_flags)

# Those of which it may be told.
_taken_openly(record, within) := _taken_by(record, within, flags_of[record.ref] & openly_redacting_flags)

_taken_by(record, within, flags) := by_name | by_tag if {
	names := _names_never | {name | some flag in flags; some name in _names_redacted[flag]}
	tags := _purpose_tags | {tag | some flag in flags; some tag in _tags_redacted[flag]}
	by_name := {field | some field in within} & names
	by_tag := _tagged(record, within, tags)
}

_tagged(record, within, tags) := {field |
	some tag in tags
	some field in within
	tag in _categories[record.category].fields[field].tags
}

# Who may learn of the question, as a rank, as far as each record goes.
_enquiry_ranks := {record.ref: rank |
	some record in input.records
	rank := max({enquiry.rank_of_query} | {enquiry_ranks[flag] | some flag in flags_of[record.ref]})
}
