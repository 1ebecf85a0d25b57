package wardgate.requester

import data.wardgate.everything

decision := everything.query_permission
