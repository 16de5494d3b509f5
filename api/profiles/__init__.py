"""Profiles: one person, what happened, where they stand, by which identifiers they are known."""
