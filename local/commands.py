"""The commands that make up Stepwell; `compose.yaml` runs the same ones, which a test compares."""

API = ("python", "-m", "api")
WORKER = ("python", "-m", "workers")
MIGRATE = ("python", "-m", "shared.db.migrate")
ENSURE_KEY = ("python", "-m", "api.admin", "keys", "ensure", "--owner", "dev", "--role", "admin")
