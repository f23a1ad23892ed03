"""`make admin ARGS="keys …"`: the commands of `api.admin` on what `make run` runs here."""

import os
import sys
from collections.abc import Mapping, Sequence

from api import admin
from local.errors import LocalError
from local.settings import DATABASE_URL, state_dir
from local.state import StateFolder


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; 1 = it failed, or nothing runs here, and says why."""
    try:
        running = StateFolder(state_dir(environ)).read()
    except (LocalError, OSError) as error:
        print(f"stepwell: {error}", file=sys.stderr)
        return 1
    return admin.main(arguments, {DATABASE_URL: running.database_url})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
