"""Whatever lies in the store: what is not ours is as though it were not there, and is made again."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path

import pytest
import torch

from assetforge.execute.map_io import load_maps, save_maps
from assetforge.flags import Flag
from assetforge.material.color_space import ColorSpace
from assetforge.material.texture import Texture
from assetforge.store import notes
from assetforge.store.json_text import parse
from assetforge.store.notes import NOTES, Notes
from assetforge.store.results import Entry, Store

KEY = "ab" * 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, suffix: str, content: bytes) -> Entry:
    return store.put(KEY, suffix, lambda path: path.write_bytes(content) and None, lambda _: None)


@pytest.mark.limited
@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 100_000, "nothing", "", "\xff"], ids=range(5))
def test_broken_json_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse(dict[str, int], text.encode("latin-1"))


@pytest.mark.limited
@pytest.mark.parametrize(
    "note",
    [
        "[]",
        "[" * 100_000,
        '{"file": "x.bin", "size": 1e999, "sha256": ""}',
        '{"file": "x.bin", "size": "many", "sha256": ""}',
        '{"file": "../../secret", "size": 4, "sha256": ""}',
        '{"file": "link.bin", "size": 4, "sha256": ""}',
        '{"file": "..", "size": 4, "sha256": ""}',
        " " * 2**17,
    ],
    ids=range(8),
)
def test_a_forged_note_of_a_result_is_as_if_it_were_not_there(note: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"mine")
    entry = put(store, ".bin", b"data")
    (entry.path.parent / "link.bin").symlink_to(tmp_path / "secret")
    entry.note.write_text(note)
    assert store.find(KEY, ".bin") is None
    assert list(store.entries()) == []
    assert put(store, ".bin", b"new!").is_whole()


@pytest.mark.limited
def test_a_pipe_in_the_place_of_a_note_is_not_waited_for(store: Store) -> None:
    entry = put(store, ".bin", b"data")
    entry.note.unlink()
    os.mkfifo(entry.note)
    assert store.find(KEY, ".bin") is None


@pytest.mark.limited
@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[" * 100_000,
        '{"notes": [], "flags": []}',
        '{"notes": {}, "flags": [1]}',
        '{"notes": {"a": 1e999}, "flags": []}',
        '{"notes": {"cut": [1]}, "flags": []}',
        '{"notes": {"cut": {"base_color": "all"}}, "flags": []}',
        '{"notes": {"cut": {"base_color": NaN}}, "flags": []}',
    ],
    ids=range(8),
)
def test_forged_notes_of_a_step_are_dropped(text: str, store: Store) -> None:
    put(store, NOTES, text.encode())
    assert notes.gather(store, {"step": KEY}, [KEY]) == Notes({}, ())
    assert store.find(KEY, NOTES) is None


def header(content: bytes, change: object) -> bytes:
    """Put something else into the header of a safetensors file."""
    size = struct.unpack("<Q", content[:8])[0]
    text = json.loads(content[8 : 8 + size])
    if change is None:
        del text["__metadata__"]
    else:
        text["__metadata__"] = {"maps": change, "depth": "8"}
    written = json.dumps(text).encode()
    return struct.pack("<Q", len(written)) + written + content[8 + size :]


@pytest.mark.limited
@pytest.mark.parametrize(
    "change",
    [
        None,
        "[]",
        "[" * 100_000,
        '{"base_color": ["lin_rec709", "repeat"]}',
        '{"base_color": ["no space", "repeat", null]}',
        '{"base_color": ["lin_rec709", "repeat", {"iso": 1e999}]}',
        '{"normal": ["lin_rec709", "repeat", null]}',
    ],
    ids=range(7),
)
def test_forged_maps_are_computed_again(change: str | None, tmp_path: Path) -> None:
    path = tmp_path / "maps.safetensors"
    texture = Texture(torch.rand(3, 4, 4), ColorSpace.LIN_REC709, "repeat")
    save_maps(path, {"base_color": texture})
    loaded = load_maps(path)
    assert loaded is not None
    assert torch.equal(loaded[0]["base_color"].data, texture.data)
    assert loaded[0]["base_color"].wrap == "repeat"
    path.write_bytes(header(path.read_bytes(), change))
    assert load_maps(path) is None


def test_whole_notes_come_back(store: Store) -> None:
    kept = Notes({"quality": 0.5, "list": [1, "two", None]}, (Flag("doubtful", "error", value=0.5),))
    notes.keep(store, KEY, kept, replace=False)
    found = notes.gather(store, {"step": KEY}, [])
    assert found.values == {"step": kept.values}
    assert found.flags == (Flag("doubtful", "error", value=0.5, by="step"),)
    assert math.isclose(found.values["step"]["quality"], 0.5)
