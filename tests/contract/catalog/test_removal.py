"""Removing versions and datasets, and what holds them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import writing
from forebay.catalog.records import version_id
from forebay.errors import ConflictError, NotFoundError
from forebay.wire.hub import Catalog
from tests.contract.catalog.shelf import Shelf, listed

REPLICA: dict[str, Any] = {
    "reason": "",
    "since": 0.0,
    "token": 1,
    "fill_seconds": 0.0,
    "last_used_at": 0.0,
    "lake_confirmed_at": 0.0,
    "attempts": 0,
    "fill_bytes": 0,
    "pinned_by": "",
    "pin_reason": "",
    "pin_until": 0.0,
    "verified_at": 0.0,
}


def _put_on_volume(engine: Engine, dataset: str, number: int, state: str) -> None:
    with writing(engine) as connection:
        lately = ("lately_bytes", "lately_seconds", "lately_at")
        nothing = dict.fromkeys(("used_bytes", "last_token", "created_at", "state_since", "signs_in_a_row", *lately), 0)
        health = {"state": "normal", "state_reason": ""}
        connection.execute(t.volume.insert().values(volume_id="nvme", path="/v", limit_bytes=1, **health, **nothing))
        target = version_id(connection, dataset, number)
        connection.execute(t.replica.insert().values(volume_id="nvme", version_id=target, state=state, **REPLICA))


def _refused(catalog: Catalog, dataset: str, number: int) -> ConflictError:
    with pytest.raises(ConflictError) as caught:
        catalog.remove_version(dataset, number)
    assert catalog.resolve(f"{dataset}@v{number}").number == number
    with pytest.raises(ConflictError) as whole:
        catalog.remove_dataset(dataset)
    assert whole.value.kind == caught.value.kind
    return caught.value


def test_IMMUTABLE_numbers_are_never_used_twice(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x")
    shelf.add("x")
    catalog.remove_version("x", 2)
    assert catalog.dataset("x").latest == 1
    assert shelf.add("x", listed(a="new")).version.number == 3
    catalog.remove_dataset("x")
    assert catalog.datasets() == []
    for action in (lambda: catalog.resolve("x"), lambda: catalog.versions("x"), lambda: catalog.dataset("x")):
        with pytest.raises(NotFoundError):
            action()
    assert shelf.add("x", listed(a="again")).version.number == 4
    assert catalog.dataset("x").versions == 1


def test_a_dataset_without_versions_is_still_there(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x")
    catalog.remove_version("x", 1)
    assert (catalog.dataset("x").versions, catalog.dataset("x").latest, catalog.dataset("x").size_bytes) == (0, 0, 0)
    assert catalog.versions("x") == []
    with pytest.raises(NotFoundError) as caught:
        catalog.resolve("x")
    assert caught.value.kind == "version-not-found"
    catalog.remove_dataset("x")


def test_what_is_tagged_stays(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x")
    catalog.tag("x", "prod", 1, "ada")
    error = _refused(catalog, "x", 1)
    assert error.kind == "tagged"
    assert "'prod'" in error.message
    catalog.untag("x", "prod", "ada")
    catalog.remove_version("x", 1)


def test_what_others_were_made_from_stays(catalog: Catalog, shelf: Shelf) -> None:
    parent = shelf.add("x").version
    shelf.add("y", parents=(parent,))
    error = _refused(catalog, "x", 1)
    assert error.kind == "has-children"
    assert "y@v1" in error.message
    catalog.remove_version("y", 1)
    catalog.remove_version("x", 1)


def test_children_in_the_same_dataset_go_with_it(catalog: Catalog, shelf: Shelf) -> None:
    parent = shelf.add("x").version
    shelf.add("x", parents=(parent,))
    catalog.remove_dataset("x")
    assert catalog.datasets() == []


@pytest.mark.parametrize("state", ["filling", "ready", "evicting", "damaged"])
def test_what_is_on_a_volume_stays(catalog: Catalog, shelf: Shelf, engine: Engine, state: str) -> None:
    shelf.add("x")
    _put_on_volume(engine, "x", 1, state)
    error = _refused(catalog, "x", 1)
    assert error.kind == "has-replicas"
    assert "nvme" in error.message


def test_an_absent_replica_holds_nothing(catalog: Catalog, shelf: Shelf, engine: Engine) -> None:
    shelf.add("x")
    _put_on_volume(engine, "x", 1, "absent")
    catalog.remove_version("x", 1)
    assert catalog.versions("x") == []


def test_removing_nothing(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x")
    for dataset, number in (("x", 2), ("y", 1)):
        with pytest.raises(NotFoundError):
            catalog.remove_version(dataset, number)
    with pytest.raises(NotFoundError):
        catalog.remove_dataset("y")
