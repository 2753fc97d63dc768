"""From files to rows: which files there are, what each record says, and what becomes of broken ones."""
