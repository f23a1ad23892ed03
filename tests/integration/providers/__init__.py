"""The provider adapters against the fake model servers."""
