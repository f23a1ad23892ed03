"""PostgreSQL and Valkey of our own, run as direct children."""
