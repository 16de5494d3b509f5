"""Which source records are one person: matching, clustering, ids for life, golden records, evaluation."""
