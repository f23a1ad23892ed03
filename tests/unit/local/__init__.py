"""Everything on one machine, without any process."""
