"""What a kind of each family must be: one file a family."""
