"""Streams the parts of steps: an episode numbers them, one flusher publishes and buffers them."""
