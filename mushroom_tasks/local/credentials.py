"""Passwords and keys of the local services: made once, kept in `home/secrets`, readable by their owner only.

They reach the services through the environment, never through arguments or logs.

    password = secret(home, "mlflow_admin_password", 15)
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from mushroom_tasks.errors import ServiceError

PASSWORD_BYTES = 15  # 20 characters
KEY_BYTES = 32  # what a Fernet key has
SIGNING_BYTES = 64  # what HMAC-SHA512 wants


def secret_path(home: Path, name: str) -> Path:
    """Return where a secret is kept."""
    return home / "secrets" / name


def secret(home: Path, name: str, size: int = KEY_BYTES) -> str:
    """Return a secret as URL-safe base64 text; made from `size` random bytes where there is none yet.

    Raises ServiceError where the file is there but empty.
    """
    value = base64.urlsafe_b64encode(os.urandom(size)).decode()
    return write_secret(home, name, value)


def write_secret(home: Path, name: str, value: str) -> str:
    """Keep `value` as a secret where there is none of that name yet; return the one that is kept."""
    path = secret_path(home, name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    temporary = path.with_name(f".{name}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value)
        # A hard link fails where the name exists: the first of two starts at once wins, whole.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
    kept = path.read_text(encoding="utf-8").strip()
    if not kept:
        raise ServiceError(f"the secret in {path} is empty. Delete the file, then start again.")
    return kept
