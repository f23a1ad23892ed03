"""The benchmarks: each asks the helper processes for one thing and for its floor."""
