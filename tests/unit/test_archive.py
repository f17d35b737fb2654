"""archive: one zip of a bundle, always the same bytes; whatever else a zip may hold is refused."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile import archive
from mushroom_tasks.mobile.archive import opened, pack, unpack


@pytest.fixture
def packed(bundle, tmp_path) -> Path:
    pack(bundle.folder, tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


def test_pack__gives_back_the_bundle(bundle, packed):
    with opened(packed) as found:
        assert (found.manifest, found.species) == (bundle.manifest, bundle.species)
        assert found.model("int8").read_bytes() == bundle.model("int8").read_bytes()
        folder = found.folder
    assert not folder.exists()


def test_opened__takes_a_folder_too(bundle):
    with opened(bundle.folder) as found:
        assert found.manifest == bundle.manifest
    assert bundle.folder.exists()


def test_pack__same_bundle_same_bytes(bundle, packed, tmp_path):
    (bundle.folder / "labels.txt").touch()  # another time
    pack(bundle.folder, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_pack__takes_the_bundle_alone_and_models_as_they_are(bundle, tmp_path):
    (bundle.folder / "notes.txt").write_text("mine")
    pack(bundle.folder, tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as found:
        assert found.namelist() == sorted([*bundle.manifest.files, "bundle.json"])
        kinds = {entry.filename: entry.compress_type for entry in found.infolist()}
    assert kinds["mushroom-int8.tflite"] == zipfile.ZIP_STORED
    assert kinds["species.json"] == zipfile.ZIP_DEFLATED


def test_pack__refuses_an_unfinished_bundle(bundle, tmp_path):
    (bundle.folder / "bundle.json").unlink()
    with pytest.raises(BundleError, match="no bundle there"):
        pack(bundle.folder, tmp_path / "bundle.zip")
    assert not (tmp_path / "bundle.zip").exists()


def _zip(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for entry, data in entries:
            made.writestr(entry, data)
    return file.getvalue()


def _link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("labels.txt")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/etc/evil", "a/b.txt", "folder/", "..", ".hidden", "C:evil", "a\\b", "x" * 300, "ümlaut.txt"],
)
def test_unpack__refuses_names_that_are_not_plain(tmp_path, name):
    (tmp_path / "evil.zip").write_bytes(_zip((name, b"x")))
    (tmp_path / "out").mkdir()
    with pytest.raises(BundleError, match="is no zip of a bundle"):
        unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.zip", "out"]
    assert not list((tmp_path / "out").iterdir())


def test_unpack__refuses_links(tmp_path):
    (tmp_path / "evil.zip").write_bytes(_zip((_link(), b"/etc/passwd")))
    with pytest.raises(BundleError, match="plain files"):
        unpack(tmp_path / "evil.zip", tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unpack__refuses_a_file_that_is_there_twice(tmp_path):
    (tmp_path / "evil.zip").write_bytes(_zip(("a.txt", b"1"), ("A.txt", b"2")))
    with pytest.raises(BundleError, match="each once"):
        unpack(tmp_path / "evil.zip", tmp_path)


def test_unpack__refuses_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MOST_BYTES", 1 << 20)
    (tmp_path / "evil.zip").write_bytes(_zip(("a.txt", b"0" * (2 << 20))))
    with pytest.raises(BundleError, match=r"would unpack to 1 files of 2097152 bytes"):
        unpack(tmp_path / "evil.zip", tmp_path)
    (tmp_path / "many.zip").write_bytes(_zip(*((f"{number}.txt", b"") for number in range(65))))
    with pytest.raises(BundleError, match="65 files"):
        unpack(tmp_path / "many.zip", tmp_path)


def test_unpack__writes_no_more_than_an_entry_says(tmp_path):
    data = _zip(("a.txt", b"0" * 100_000))
    said = (100_000).to_bytes(4, "little")
    (tmp_path / "evil.zip").write_bytes(data.replace(said, (10).to_bytes(4, "little")))
    with pytest.raises(BundleError, match="damaged"):
        unpack(tmp_path / "evil.zip", tmp_path)
    assert (tmp_path / "a.txt").stat().st_size <= 10


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_unpack__refuses_a_zip_that_was_cut_off(packed, tmp_path, cut):
    packed.write_bytes(packed.read_bytes()[:cut])
    with pytest.raises(BundleError, match="is no zip of a bundle, or is damaged"), opened(packed):
        pass


def test_opened__names_a_file_that_was_changed_within_the_zip(bundle, tmp_path):
    files = [(path.name, path.read_bytes()) for path in bundle.folder.iterdir()]
    changed = [(name, data + b"x" if name == "labels.txt" else data) for name, data in files]
    (tmp_path / "changed.zip").write_bytes(_zip(*changed))
    with pytest.raises(BundleError, match=r"labels\.txt is damaged"), opened(tmp_path / "changed.zip"):
        pass
