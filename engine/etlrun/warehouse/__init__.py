"""The publish protocol for all servers: one transaction, fenced by the ledger, verified before COMMIT, and retried as a whole."""
