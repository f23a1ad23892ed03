"""What every test may use, and the deep profile of the property tests."""

from hypothesis import settings

pytest_plugins = ["tests.servers", "tests.scheduling"]

# `--hypothesis-profile=deep`
settings.register_profile("deep", max_examples=2_000, deadline=None)
