"""Retention: how long which data may be kept, as rules of the user's own."""
