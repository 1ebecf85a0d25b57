"""The node's store: tables, migrations and the statements that read and write them."""
