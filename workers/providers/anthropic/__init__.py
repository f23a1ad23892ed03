"""The messages dialect of Anthropic."""
