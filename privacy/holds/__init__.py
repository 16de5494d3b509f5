"""Legal holds: what the law wants kept of a person who is erased, locked away from everything, and until when."""
