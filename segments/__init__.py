"""Segment definitions, their compilation to SQL, evaluation to members and changes."""
