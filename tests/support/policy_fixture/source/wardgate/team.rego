package wardgate.team

import data.wardgate.fixture

decision := fixture.permission if fixture.ordinary
