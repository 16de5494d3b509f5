"""Rules of retention over a whole state home: what is too old goes, once a day, in the course of a run.

Before a run loads, records that have outlived a rule leave landing, raw and quarantine; the run makes everything anew
that was derived from them; after it has published, the files are written without their bytes, checked and receipted.
"""
