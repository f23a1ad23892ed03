"""Everything on one machine, with real servers."""
