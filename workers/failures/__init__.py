"""Tells failures apart: `classify` reads an exception's signals, the first rule that fits wins."""
