package wardgate.fixture

permission := {
	"effect": "permit",
	"reasons": [{"code": "WITHIN_PURPOSE", "audience": "both", "severity": "info"}],
	"obligations": [{"id": "rejustify_after", "type": "deadline", "mandatory": true, "params": {"after_s": 60}}],
	"expires_in_s": 60,
}

query_permission := object.union(permission, {
	"processing": ["ART_6"],
	"enquiry": {"outcome": "notify", "after_s": 0, "audience": ["child"]},
})

ordinary if input.query.break_glass == ""

zero := input.query.issued_at - input.query.issued_at

much_time := [a |
	some a, _ in data.reference.many
	some b, _ in data.reference.many
	some c, _ in data.reference.many
	some d, _ in data.reference.many
	a == b
	b == c
	c == d
	d == "never"
]

much_memory := [[a, b] |
	some a in numbers.range(1, 20000)
	some b in numbers.range(1, 20000)
]
