"""Everything with effects: files, engines at work, stages, checks, publishing, the ledger."""
