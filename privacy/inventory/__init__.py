"""The inventory of personal data: declared where the data is made, collected here, checked against what is there.

`load` reads the declarations, `gaps` finds what lacks one, `processing` writes the records of processing (Art. 30).
Erasure plans and access packages are made from it, so what is not declared cannot be forgotten silently.
"""
