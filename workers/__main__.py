"""`python -m workers`: one worker process."""

import sys

from shared.config.settings import SettingsError

try:
    from workers.main import main
except SettingsError as error:
    sys.exit(f"stepwell: the worker did not start: {error}")

if __name__ == "__main__":
    sys.exit(main())
