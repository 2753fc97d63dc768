"""Everything with side effects: files, running engines, staging, checks, publishing, the ledger."""
