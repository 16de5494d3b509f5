"""Subject requests as a matter of rules: kinds, states, who may do what when, and by when the law wants an answer.

Pure: nothing here reads a clock, a file or a database; every function that depends on time is handed `now`.
"""
