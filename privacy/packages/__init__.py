"""Access (Art. 15) and portability (Art. 20) packages: what is gathered of a person, how it is written, how it is kept.

Complete by construction: what goes in follows from the inventory, and what does not is named with its reason in
`contents.yaml`. Only what certain records of the person tell is inside, never anything of somebody else.
"""
