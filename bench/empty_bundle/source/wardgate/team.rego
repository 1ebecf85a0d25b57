package wardgate.team

import data.wardgate.everything

decision := everything.permission
