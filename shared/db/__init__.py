"""The database: connections, naming rules and migrations."""
