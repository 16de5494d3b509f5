"""Evidence: where journeys break, what touchpoints and experiments do, how people feel, what was found."""
