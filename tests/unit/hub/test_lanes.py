"""The map's lanes and their drawing."""

from __future__ import annotations

import re
from dataclasses import replace

from forebay.hub.board.site_map import Flow, SiteMap, joined, same_lake
from forebay.hub.web.lanes import drawing, keys, told
from forebay.wire.links import LinkRecord


def link(source: str, target: str, bytes_s: float = 1e8, measured_at: float = 0.0) -> LinkRecord:
    return LinkRecord(
        source=source,
        target=target,
        bandwidth_bytes_s=bytes_s,
        bandwidth_spread=1.0,
        latency_s=0.1,
        latency_spread=1.0,
        measured_at=measured_at,
    )


def flow(source: str, target: str, rest: int = 10) -> Flow:
    return Flow(ref="criteo@v1", source=source, target=target, moved_bytes=5, rest_bytes=rest, bytes_s=2.0)


def test_a_version_does_not_tell_its_lakes_endpoint() -> None:
    assert same_lake("s3://minio:9000/clicks") == same_lake("s3://clicks") == "s3://clicks"
    assert same_lake("file://") == "file://"
    assert same_lake("dgx") == "dgx"


def test_a_flow_takes_the_endpoint_that_was_used_last() -> None:
    found = joined(
        ["dgx"],
        [link("s3://old:1/clicks", "dgx", measured_at=5), link("s3://new:2/clicks", "dgx", measured_at=9)],
        [flow("s3://clicks", "dgx")],
    )
    assert {lane.source: len(lane.flows) for lane in found.lanes} == {"s3://old:1/clicks": 0, "s3://new:2/clicks": 1}


def test_a_flow_without_a_link_and_a_volume_of_no_site_are_on_the_map() -> None:
    found = joined(["dgx"], [link("dgx", "v-loose")], [flow("s3://clicks", "dgx"), flow("s3://clicks", "dgx", 7)])
    assert (found.lakes, found.sites) == (("s3://clicks",), ("dgx", "v-loose"))
    (lane,) = found.to("dgx")
    assert (lane.link, lane.rest_bytes, lane.bytes_s) == (None, 17, 4.0)


def test_every_lane_is_drawn_once_between_its_ends() -> None:
    found = joined(
        ["aks", "dgx"],
        [link("s3://a", "aks", 1e10), link("s3://b", "dgx", 1.0), link("aks", "dgx"), link("dgx", "aks")],
        [flow("s3://a", "aks")],
    )
    drawn = drawing(found)
    assert (len(drawn.across), len(drawn.around)) == (2, 2)
    assert drawn.across[-1].flows
    assert [curve.width for curve in drawn.across] == ["1", "4"]
    assert drawn.across[0].d == "M0 75C50 75 50 75 100 75"
    assert drawn.across[1].d == "M0 25C50 25 50 25 100 25"
    assert len({curve.d for curve in drawn.around}) == 2
    for curve in (*drawn.across, *drawn.around):
        assert re.fullmatch(r"M[\d. C]+", curve.d)


def test_a_lane_says_what_it_is_and_which_way_it_leads() -> None:
    priced = replace(link("s3://a", "aks", measured_at=5.0), price_byte=0.09 / 2**30)
    found = joined(["aks"], [priced, link("dgx", "aks")], [flow("s3://b", "aks"), flow("dgx", "aks", 2**30)])
    assert [told(lane) for lane in found.lanes] == [
        "From dgx to aks: 95.4 MiB/s, 100 ms to the first byte, declared; now 1 fill with 2 B/s, 1.0 GiB to come",
        "From s3://a to aks: 95.4 MiB/s, 100 ms to the first byte, 0.09 a GB, measured",
        "From s3://b to aks: nothing is known of it yet; now 1 fill with 2 B/s, 10 B to come",
    ]
    assert {curve.told for curve in drawing(found).across} == {told(lane) for lane in found.lanes if lane.from_lake}


def test_a_dot_is_where_lanes_lead_to() -> None:
    """There and back between two sites: both come in below the middle of a site, and go out above it."""
    found = drawing(joined(["aks", "dgx"], [link("s3://a", "dgx"), link("aks", "dgx"), link("dgx", "aks")], []))
    assert found.across_dots == "M100 75h.01"
    assert found.around_dots == "M0 31h.01M0 81h.01"
    assert [(curve.d.split("C")[0], curve.d.rpartition(" ")[2]) for curve in found.around] == [
        ("M0 19", "81"),
        ("M0 69", "31"),
    ]


def test_the_legend_has_the_signs_that_are_there() -> None:
    still = drawing(joined(["dgx"], [link("s3://a", "dgx")], []))
    flowing = drawing(joined(["dgx"], [link("s3://a", "dgx")], [flow("s3://a", "dgx")]))
    assert [(key.width, key.flows, key.is_dot) for key in keys(still)] == [
        ("1", False, False),
        ("4", False, False),
        ("", False, True),
    ]
    assert [key.flows for key in keys(flowing)].count(True) == 1
    assert keys(drawing(SiteMap(sites=("dgx",)))) == ()


def test_nothing_known_draws_nothing() -> None:
    assert drawing(SiteMap(sites=("dgx",))) == drawing(SiteMap())
