"""A MySQL or MariaDB server as a warehouse: proved before commit, published in one transaction, exactly once."""
