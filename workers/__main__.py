"""`python -m workers`: one worker process."""

import sys

from shared.config.settings import SettingsError

try:
    from workers.main import main
except SettingsError as error:
    sys.exit(str(error))

if __name__ == "__main__":
    sys.exit(main())
