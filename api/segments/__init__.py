"""Segments: groups of people with a definition, and who is in them."""
