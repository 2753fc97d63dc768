"""What a spec file says: located text, fields and their schema, kinds, project and pipeline."""
