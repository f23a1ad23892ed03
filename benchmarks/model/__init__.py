"""A fake model of the benchmarks' own: small and fast, over real sockets, in its own process."""
