package wardgate.audit

import data.wardgate.fixture

decision := object.union(fixture.permission, {"parts": ["reasons"]}) if fixture.ordinary
