"""Destinations over HTTP: which tools hear of a segment's people, and what they were told."""
