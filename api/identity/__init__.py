"""Identity: questions for people, what they decided, why records are one person, what became of a profile id."""
