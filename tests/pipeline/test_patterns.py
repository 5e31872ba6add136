"""Patterns find files, templates name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetforge.pipeline.patterns import Tree, compile_pattern, template_fields


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{name}_d.png", "brick_d.png", {"name": "brick"}),
        ("{name}_d.png", "walls/brick_d.png", None),
        ("{name}/albedo.*", "brick/albedo.webp", {"name": "brick"}),
        ("**/{name}_d.png", "a/b/brick_d.png", {"name": "brick"}),
        ("**/{name}_d.png", "brick_d.png", {"name": "brick"}),
        ("{set}/{name}/{name}_d.png", "old/brick/brick_d.png", {"set": "old", "name": "brick"}),
        ("{set}/{name}/{name}_d.png", "old/brick/moss_d.png", None),
        ("{name}.(1).png", "a.(1).png", {"name": "a"}),
        ("{name}.(1).png", "a.1.png", None),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, path: str, expected: dict[str, str] | None) -> None:
    assert compile_pattern(pattern).match(path) == expected


@pytest.mark.parametrize(("path", "expected"), [("T/a_D.png", True), ("t/a_d.png", False), ("u/a_d.png", False)])
def test_only_what_does_not_match_differs_in_case(path: str, expected: bool) -> None:
    assert compile_pattern("t/{name}_d.png").differs_in_case(path) == expected


@given(st.text(st.characters(exclude_characters="/\n\r", exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_spelt_pattern_matches_itself(name: str) -> None:
    pattern = compile_pattern("textures/{name}_d.png?")
    assert pattern.match(pattern.spell({"name": name})) == {"name": name}


@pytest.mark.parametrize("bad", ["/{name}.png", "../{name}.png", "{name", "{}.png", "{na me}.png", "a?{name}", "x.png"])
def test_a_pattern_that_cannot_be_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="; "):
        compile_pattern(bad)


def test_a_tree_skips_hidden_files_outputs_and_loops(tmp_path: Path) -> None:
    for name in ("a.png", "deep/b.png", ".hidden.png", ".git/c.png", "build/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    tree = Tree(tmp_path, [tmp_path / "build"])
    assert list(tree.matching(compile_pattern("**/{name}.png"))) == ["a.png", "deep/b.png"]
    assert list(tree.matching(compile_pattern("{name}.png"))) == ["a.png"]


def test_a_link_that_leads_in_circles_is_a_file_for_whoever_reads_it(tmp_path: Path) -> None:
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    assert list(Tree(tmp_path).matching(compile_pattern("{name}.png"))) == ["circle.png"]


@pytest.mark.parametrize("bad", ["{name.x}", "{name[0]}", "{name!r}", "{name:>9}", "{}"])
def test_a_template_has_plain_placeholders_only(bad: str) -> None:
    with pytest.raises(ValueError, match="write a word"):
        template_fields(bad)
