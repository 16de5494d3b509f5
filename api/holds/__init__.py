"""Legal holds over HTTP: placed, extended, released; what they keep is never shown here."""
