"""Regulations in the form of Segment's Public API: a view of the erasures in the register of subject requests."""
