"""The words of `docs/glossary.md` as types. No I/O, no libraries beyond the standard one."""
