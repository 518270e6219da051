"""Tags with their history; ancestors and descendants."""

from __future__ import annotations

import pytest

from forebay.errors import InputError, NotFoundError
from forebay.wire.catalog import LineageEdge
from forebay.wire.hub import Catalog
from tests.contract.catalog.shelf import Shelf


def test_a_tag_moves(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x")
    shelf.add("x")
    catalog.tag("x", "prod", 1, "ada")
    catalog.tag("x", "best", 1, "ada")
    assert catalog.resolve("x@v1").tags == ("best", "prod")
    catalog.tag("x", "prod", 2, "bob")
    assert catalog.resolve("x@prod").number == 2
    assert [version.tags for version in catalog.versions("x")] == [("prod",), ("best",)]


def test_IMMUTABLE_moves_of_a_tag_are_kept(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x")
    shelf.add("x")
    first = catalog.tag("x", "prod", 1, "ada")
    assert catalog.tag("x", "prod", 1, "bob") == first, "it points there already"
    catalog.tag("x", "prod", 2, "bob")
    gone = catalog.untag("x", "prod", "eve")
    catalog.tag("x", "prod", 2, "ada")
    catalog.tag("x", "other", 1, "ada")
    history = catalog.tag_history("x", "prod")
    assert [(move.number, move.moved_by) for move in history] == [(2, "ada"), (0, "eve"), (2, "bob"), (1, "ada")]
    assert history[1] == gone
    assert history[3] == first
    assert [move.tag for move in catalog.tag_history("x")] == ["other", "prod", "prod", "prod", "prod"]


def test_tags_are_per_dataset(catalog: Catalog, shelf: Shelf) -> None:
    for name in ("x", "x", "y"):
        shelf.add(name)
    catalog.tag("x", "prod", 2, "ada")
    catalog.tag("y", "prod", 1, "ada")
    assert (catalog.resolve("x@prod").ref, catalog.resolve("y@prod").ref) == ("x@v2", "y@v1")
    assert len(catalog.tag_history("y")) == 1


def test_tags_that_cannot_be(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x")
    for tag in ("latest", "v1", "abcdef", "Prod"):
        with pytest.raises(InputError) as caught:
            catalog.tag("x", tag, 1, "ada")
        assert caught.value.kind == "bad-name"
    for action in (
        lambda: catalog.tag("x", "prod", 2, "ada"),
        lambda: catalog.tag("y", "prod", 1, "ada"),
        lambda: catalog.untag("x", "prod", "ada"),
        lambda: catalog.tag_history("y"),
    ):
        with pytest.raises(NotFoundError):
            action()
    assert catalog.tag_history("x") == []


def test_lineage_is_everything_up_and_down(catalog: Catalog, shelf: Shelf) -> None:
    raw, side = shelf.add("raw").version, shelf.add("side").version
    clean = shelf.add("clean", parents=(raw,)).version
    mixed = shelf.add("mixed", parents=(clean, side, raw)).version
    shelf.add("model", parents=(mixed,))
    shelf.add("alone")
    assert [parent.ref for parent in catalog.resolve("mixed").parents] == ["clean@v1", "raw@v1", "side@v1"]
    found = catalog.lineage("mixed", 1)
    assert found.of == "mixed@v1"
    assert found.upstream == (
        LineageEdge(parent="clean@v1", child="mixed@v1"),
        LineageEdge(parent="raw@v1", child="clean@v1"),
        LineageEdge(parent="raw@v1", child="mixed@v1"),
        LineageEdge(parent="side@v1", child="mixed@v1"),
    )
    assert found.downstream == (LineageEdge(parent="mixed@v1", child="model@v1"),)
    assert {edge.child for edge in catalog.lineage("raw", 1).downstream} == {"clean@v1", "mixed@v1", "model@v1"}
    assert catalog.lineage("alone", 1).upstream == catalog.lineage("alone", 1).downstream == ()
    with pytest.raises(NotFoundError):
        catalog.lineage("alone", 2)


def test_a_long_chain_of_diamonds_stays_fast(catalog: Catalog, shelf: Shelf) -> None:
    left = right = shelf.add("root").version
    for step in range(20):
        left, right = (
            shelf.add(f"l{step}", parents=(left, right)).version,
            shelf.add(f"r{step}", parents=(left, right)).version,
        )
    # Two to the twenty paths, but only four edges a step (two in the first, whose parents are one).
    assert len(catalog.lineage("l19", 1).upstream) == 2 + 18 * 4 + 2
    assert len(catalog.lineage("root", 1).downstream) == 2 + 19 * 4
