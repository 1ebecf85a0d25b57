package wardgate.requester

import data.wardgate.everything

decision := everything.permission
