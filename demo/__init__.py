"""Synthetic people with known truth, written in each source system's own format.

`generate.generate` turns a scenario (how many people, how they behave, what dirt, which effects) and a seed into five
source folders and `truth/`. Same scenario and seed, same bytes. People are made in chunks that know nothing of each
other, so memory does not grow with the world. What is planted here is only ever read back through the files.
"""
