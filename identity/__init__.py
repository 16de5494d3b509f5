"""Which source records are one person: normalise, block, score (Splink), cluster, stable ids, golden record, evaluation."""
