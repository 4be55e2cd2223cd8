"""Bytes: where they are kept (`base`, `local`, `s3`) and how they come in (`receive`)."""

from __future__ import annotations

from strongroom.settings import Settings
from strongroom.storage.base import BLOCK, Blocks, Entry, ObjectStore, PartSink, Sink, new_location

__all__ = ["BLOCK", "Blocks", "Entry", "ObjectStore", "PartSink", "Sink", "new_location", "open_store"]


def open_store(settings: Settings) -> ObjectStore:
    """The store the settings name: S3 where `storage_url` is set, else local files. Makes no remote call."""
    if settings.storage_url:
        from strongroom.storage.s3 import S3Store  # imported when used: obstore costs 15 MiB

        return S3Store.from_settings(settings)
    from strongroom.storage.local import LocalStore

    return LocalStore(settings.files_dir)
