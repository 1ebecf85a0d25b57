"""What authors of policy work with: build, test, lint, explain, matrix, diff. Services never load it."""
