"""The publish protocol, whatever the server: one transaction, fenced by the ledger, proved before COMMIT and tried again as a whole."""
