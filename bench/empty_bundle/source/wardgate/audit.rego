package wardgate.audit

import data.wardgate.everything

decision := object.union(everything.permission, {"parts": []})
