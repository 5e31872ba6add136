"""Keys hold all that a result depends on, and nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import assetforge
from assetforge.plan import keys

ROOT = Path(assetforge.__file__).parent
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_INGREDIENTS = st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), _VALUES, max_size=4)


def test_code_that_makes_no_pixels_is_in_no_key() -> None:
    counted = {file.relative_to(ROOT).as_posix() for file in keys.pixel_code()}
    assert not counted & keys.WITHOUT_PIXELS
    assert {
        "codecs/decode.py",
        "codecs/png.py",
        "ops/resample.py",
        "material/texture.py",
        "weights/features.py",
    } <= counted
    assert all((ROOT / name).is_file() for name in keys.WITHOUT_PIXELS)


@settings(max_examples=40, deadline=None)
@given(_INGREDIENTS)
def test_the_order_of_ingredients_does_not_matter(ingredients: dict[str, object]) -> None:
    assert keys.key(**ingredients) == keys.key(**dict(reversed(ingredients.items())))


@settings(max_examples=40, deadline=None)
@given(_INGREDIENTS, st.from_regex(r"[a-z]{1,6}", fullmatch=True), _VALUES)
def test_another_ingredient_makes_another_key(ingredients: dict[str, object], name: str, value: object) -> None:
    changed = {**ingredients, name: value}
    same = name in ingredients and repr(ingredients[name]) == repr(value)
    assert (keys.key(**changed) == keys.key(**ingredients)) == same or ingredients == changed


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=3), st.lists(st.text(min_size=1), max_size=3))
def test_signatures_tell_names_from_values(fields: dict[str, str], sources: list[str]) -> None:
    one = keys.signature("v", fields, sources, ["d"] * len(sources))
    assert one == keys.signature("v", dict(fields), list(sources), ["d"] * len(sources))
    assert one != keys.signature("w", fields, sources, ["d"] * len(sources))
    if sources:
        assert one != keys.signature("v", fields, sources, ["e"] * len(sources))
