"""How people feel, from ratings first and text second; text without a verdict is counted as such, never guessed.

`lexicon` scores English, `ngram` learns any language from the user's own rated tickets, `curve` puts both on stages.
"""
