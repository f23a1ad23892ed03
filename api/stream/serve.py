"""Reads for one watched chat, one read after the other, for as long as somebody watches."""
