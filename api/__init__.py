"""The HTTP surface: feature folders with fixed role files (endpoints, schemas, service)."""
