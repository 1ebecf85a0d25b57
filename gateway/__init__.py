"""The centre: enrolment, directory, admission, translation, dispatch, exchange, ledger."""
