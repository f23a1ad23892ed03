"""Small private files of the state folder: written aside, then renamed, readable by one user."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file's content in one step, mode 0600; a reader sees the old or the new."""
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def kept(path: Path, make: Callable[[], str]) -> str:
    """The file's text, made at the first time and the same ever after."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = ""
    if not text:
        text = make()
        write_private(path, f"{text}\n")
    return text
