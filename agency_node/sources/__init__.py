"""The agency's own systems, read only: databases, files and FHIR exports, mapped to one kind of record."""
