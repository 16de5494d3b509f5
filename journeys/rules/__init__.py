"""The rules of the journey as versions: what a change of the seeds did to everybody's history.

`history` keeps the versions and compares people before and after; `wording` says which rules changed.
"""
