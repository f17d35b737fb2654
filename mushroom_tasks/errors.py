"""Every error this package raises on purpose.

    MushroomError
    ├── SettingsError             a setting or flag that cannot be used
    ├── SourceError               the bucket, or its mirror
    │   ├── SourceUnreachable     no answer, or an answer that is none of a bucket's
    │   ├── SourceChanged         files of two snapshots were about to be mixed
    │   └── SnapshotDamaged       a file that is cut off, or whose checksum fails
    ├── TableError                the content of a metadata table
    ├── DatabaseError             PostgreSQL cannot be reached or refuses
    ├── RollbackError             there is no earlier load to bring back
    ├── SelectionError            no data set can be made of what was asked
    ├── ImportFailed              a folder or data set of another origin cannot be taken in
    ├── StorageError              the store
    │   └── StorageFull           no space left
    ├── PhotoError                one photo; carries a reason code and is recorded as data
    ├── DownloadError             more photos failed than the settings allow
    ├── CurationError             pruning, review or publishing cannot be done on this input
    ├── LearningError             training cannot be done on this input
    │   ├── UnknownBackbone
    │   └── WeightsMismatch       a weights file that does not fit its backbone
    ├── BundleError               an export or bundle that is missing, damaged or fails its checks
    ├── TrackingError             MLflow cannot be reached or refuses
    └── ServiceError              a local service does not start

A message names what was received and what to do about it.
"""


class MushroomError(Exception):
    """Base of all errors raised on purpose."""


class SettingsError(MushroomError):
    """A setting, parameter or flag cannot be used."""


class SourceError(MushroomError):
    """The source of the metadata and photos."""


class SourceUnreachable(SourceError):
    """The source does not answer, or answers with something that is no bucket."""


class SourceChanged(SourceError):
    """The source published another snapshot while this one was read."""


class SnapshotDamaged(SourceError):
    """A snapshot file is cut off or fails its checksum."""


class TableError(MushroomError):
    """A metadata table has wrong columns, too many malformed rows, or no rows."""


class DatabaseError(MushroomError):
    """PostgreSQL cannot be reached, or refuses."""


class RollbackError(MushroomError):
    """There is no earlier load that could be brought back."""


class SelectionError(MushroomError):
    """No data set can be selected with these settings."""


class ImportFailed(MushroomError):
    """A folder or data set of another origin cannot be taken in."""


class StorageError(MushroomError):
    """The store cannot be read or written."""


class StorageFull(StorageError):
    """No space is left where the store writes."""


class PhotoError(MushroomError):
    """One photo that cannot be used.

    `reason` is a stable code for tables and counts, e.g. "truncated"; the message explains it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DownloadError(MushroomError):
    """More photos failed than `download.max_failed_ratio` allows."""


class CurationError(MushroomError):
    """Pruning, review or publishing cannot be done on this input."""


class LearningError(MushroomError):
    """Embedding, training or evaluation cannot be done on this input."""


class UnknownBackbone(LearningError):
    """No backbone of that name is registered."""


class WeightsMismatch(LearningError):
    """A weights file does not fit its backbone, or is not the file it claims to be."""


class BundleError(MushroomError):
    """An export or bundle is missing, damaged, or fails its checks."""


class TrackingError(MushroomError):
    """MLflow cannot be reached, or refuses."""


class ServiceError(MushroomError):
    """A local service (PostgreSQL, MLflow, Airflow, sample bucket) does not start or stop."""
