"""Consent, subject requests, access, erasure, suppression, retention, receipts."""
