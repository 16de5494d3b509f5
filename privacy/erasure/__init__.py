"""Erasing: how rows of a person are found in a table, and how a database file is written anew without them."""
