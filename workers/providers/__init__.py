"""The model providers: one protocol, one adapter for each wire dialect."""
