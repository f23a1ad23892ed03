"""How every process writes its log."""
