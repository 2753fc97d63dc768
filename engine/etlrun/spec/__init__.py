"""Reading spec files: text with positions, fields and their JSON Schema, kinds, project and pipeline."""
