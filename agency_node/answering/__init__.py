"""Other agencies' queries: from a task to the sealed answer."""
