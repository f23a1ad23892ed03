"""A repeated request does nothing and gets the same answer: `Idempotency-Key`."""
