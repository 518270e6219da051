"""What files of a version hold, in small: columns with their distributions, sample rows, pictures; and the switch."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import urlencode

from forebay.errors import NotFoundError
from forebay.hub.access.rules import Action
from forebay.hub.web import data_shown, previewed
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page, Raw, Redirect
from forebay.hub.web.preview_asked import Asked, ask, number_of
from forebay.hub.web.route import Pages
from forebay.hub.web.visit import Visit
from forebay.wire.catalog import ref_of
from forebay.wire.previews import PreviewKind, Thumbnail

pages = Pages()

_SHORT_CACHE = {"Cache-Control": "private, max-age=3600"}
_PICTURES_ONLY = "sandbox; default-src 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A kind of file that the version has."""

    title: str
    href: str
    count: int
    is_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A preview on its page. `is_on`: its owner lets files be looked into; `may_switch`: that is who looks."""

    asked: Asked
    here: str
    views: tuple[data_shown.Tab, ...]
    tabs: tuple[Tab, ...]
    chooser: Form | None
    facts: tuple[str, ...]
    pictures: tuple[tuple[Thumbnail, str], ...]
    next_pictures: str
    is_on: bool
    may_switch: bool


@pages.get("/datasets/{name}/v{number}/preview", live=("preview",))
def preview(visit: Visit) -> Page:
    """`?kind=table|images&path=`; by default the first file that can be shown."""
    asked = ask(visit, number_of(visit.path["number"]))
    here = f"/datasets/{asked.dataset}/v{asked.number}/preview"
    made = asked.preview.table if asked.preview is not None else None
    context = Shown(
        asked=asked,
        here=here,
        views=data_shown.version_tabs(asked.dataset, asked.number, "preview"),
        tabs=_tabs(asked, here),
        chooser=_chooser(asked, here),
        facts=tuple(previewed.facts(made)) if made is not None else (),
        pictures=_pictures(asked, here),
        next_pictures=_next_pictures(asked, here),
        is_on=visit.hub.previews.are_on(asked.dataset),
        may_switch=visit.may_on(Action.GOVERN, asked.dataset),
    )
    tables = () if made is None else (previewed.columns_table(made), previewed.sample_table(made))
    return Page(
        template="preview/page.html",
        title=f"Preview of {asked.dataset} v{asked.number}",
        nav="datasets",
        context=context,
        tables=() if made is None else (*tables, previewed.bins_table(made)),
        parent=(f"{asked.dataset} v{asked.number}", f"/datasets/{asked.dataset}/v{asked.number}"),
    )


@pages.get("/datasets/{name}/v{number}/preview/picture")
def picture(visit: Visit) -> Raw:
    """`?path=` is the first one of a preview, `at=` one of those in it."""
    ref = ref_of(visit.path["name"], number_of(visit.path["number"]))
    found = visit.hub.previews.ask(ref, PreviewKind.IMAGES, visit.query.get("path", ""))
    for item in found.images.thumbnails if found.images is not None else ():
        if item.path == visit.query.get("at") and item.data:
            return Raw(
                content=b64decode(item.data), media_type=item.media_type, policy=_PICTURES_ONLY, headers=_SHORT_CACHE
            )
    raise NotFoundError("no-picture", "There is no such picture in small.")


@pages.post("/datasets/{name}/v{number}/preview/again")
def again(visit: Visit) -> Redirect:
    """Try at once what failed."""
    number = number_of(visit.path["number"])
    kind = PreviewKind.IMAGES if visit.form.get("kind") == PreviewKind.IMAGES.value else PreviewKind.TABLE
    path = visit.form.get("path", "")
    visit.hub.previews.ask(ref_of(visit.path["name"], number), kind, path, again=True)
    return Redirect(to=_at(f"/datasets/{visit.path['name']}/v{number}/preview", kind, path))


@pages.post("/datasets/{name}/v{number}/preview/switch")
def switch(visit: Visit) -> Redirect:
    """Previews of the whole dataset, on or off."""
    number = number_of(visit.path["number"])
    on = visit.form.get("on") == "yes"
    visit.hub.previews.switch(visit.path["name"], on)
    told = "on" if on else "off, and what was kept of them is gone"
    return Redirect(
        to=f"/datasets/{visit.path['name']}/v{number}/preview",
        notice=f"Previews of {visit.path['name']} are switched {told}.",
    )


def _at(here: str, kind: PreviewKind, path: str) -> str:
    return f"{here}?{urlencode({'kind': kind.value, 'path': path})}"


def _tabs(asked: Asked, here: str) -> tuple[Tab, ...]:
    files = asked.files
    found = (("Tables", PreviewKind.TABLE, files.all_tables), ("Pictures", PreviewKind.IMAGES, files.all_pictures))
    return tuple(
        Tab(title=title, href=f"{here}?kind={kind.value}", count=count, is_here=kind is asked.kind)
        for title, kind, count in found
        if count
    )


def _chooser(asked: Asked, here: str) -> Form | None:
    """Another file: out of a list, or by its path where they are many."""
    is_table = asked.kind is PreviewKind.TABLE
    paths = asked.files.tables if is_table else asked.files.pictures
    many = (asked.files.all_tables if is_table else asked.files.all_pictures) > len(paths)
    if len(paths) < 2:
        return None
    label = "File" if is_table else "From"
    if many:
        field = Field(name="path", label=f"{label} (its path)", kind="search", value=asked.path)
    else:
        field = Field(name="path", label=label, kind="select", value=asked.path, options=tuple((p, p) for p in paths))
    kind = Field(name="kind", label="", kind="hidden", value=asked.kind.value)
    return Form(action=here, method="get", button="Show", fields=(kind, field), quiet=True)


def _pictures(asked: Asked, here: str) -> tuple[tuple[Thumbnail, str], ...]:
    """Each with the address of its thumbnail, "" where there is none."""
    if asked.preview is None or asked.preview.images is None:
        return ()
    return tuple(
        (item, f"{here}/picture?{urlencode({'path': asked.path, 'at': item.path})}" if item.data else "")
        for item in asked.preview.images.thumbnails
    )


def _next_pictures(asked: Asked, here: str) -> str:
    """Where the pictures after these are shown, as far as the list of paths goes."""
    shown = asked.preview.images.thumbnails if asked.preview is not None and asked.preview.images is not None else ()
    paths = asked.files.pictures
    if not shown or shown[-1].path not in paths:
        return ""
    after = paths.index(shown[-1].path) + 1
    return _at(here, PreviewKind.IMAGES, paths[after]) if after < len(paths) else ""
