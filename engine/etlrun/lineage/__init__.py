"""Where each column comes from: the columns its values are made of, and apart from them those that only decide."""
