"""Erasure over a whole state home: requests, scope, and the steps that carry one out under the writer lock.

What is specific to privacy (closures, finders, tokens, receipts, the scanner) lives in `privacy`; here it meets
landing, warehouse, store, snapshots and the files beside them.
"""
