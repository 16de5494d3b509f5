"""The HTTP surface, and the only place that knows FastAPI.

`app.create_app` builds it from settings; nothing is wired at import. Each feature is a folder with the same files:
`endpoints` (parse, delegate), `schemas` (what goes over the wire) and `service` (what is answered). Beside them lies
what all share: keys and scopes, problems, cursors, masking, the audit trail, metrics.
"""
