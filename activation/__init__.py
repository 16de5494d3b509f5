"""Activation: what changes in segments reaches the tools that act on it.

`config` says what a destination may be, `message` what is told, `webhook`, `files` and `tables` how, `worker` when.
Queues and logs are in `cdp.store.outbox`; who may be told of is decided there at the moment of sending, by what the
consent gate wrote beside each membership. No queue waits for another.
"""
