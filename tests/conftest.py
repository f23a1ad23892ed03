"""What every test may use, and the profiles of the property tests."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers", "tests.scheduling"]

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# `--hypothesis-profile=deep`
settings.register_profile("deep", settings.get_profile("unhurried"), max_examples=2_000)
