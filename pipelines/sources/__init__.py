"""One module per source system: which files and columns it delivers, what is a record's key, and the typed view its
contract is checked on. Never imports Dagster and opens no connection; `registry` lists all of them."""
