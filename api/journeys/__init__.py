"""Journeys: the map of where people are and where they get stuck."""
