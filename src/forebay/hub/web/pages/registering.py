"""New versions: registering what lies in a lake, and committing a folder.

Where the hub is one's own machine it lists the lake and commits the folder itself. A team's hub never opens a lake and
reads no folder: there the page checks what was written and gives the command.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from forebay.catalog.names import check_dataset_name, check_description
from forebay.errors import ForebayError, InputError, NotAllowedError
from forebay.hub.access.rules import Action
from forebay.hub.web import forms, show
from forebay.hub.web.addresses import COMMIT, REGISTER, of_dataset, of_version
from forebay.hub.web.committer import Wanted
from forebay.hub.web.data_shown import teams_known
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.lister import Lister
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.visit import Visit
from forebay.lake.location import parse_location
from forebay.wire.catalog import AddedVersion, MadeBy, NewVersion

pages = Pages()

_FIELDS = {
    "bad-name": "name",
    "name-taken": "name",
    "other-team": "team",
    "bad-team": "team",
    "profile-not-found": "profile",
    "bad-profile": "profile",
    "bad-parent": "parents",
    "bad-ref": "parents",
    "bad-description": "description",
    "not-allowed": "name",
    **dict.fromkeys(
        (
            "bad-folder",
            "directory-not-found",
            "empty-directory",
            "file-changed",
            "file-missing",
            "file-unreadable",
            "folder-too-large",
            "link-escapes",
            "long-commit",
            "not-a-file",
            "path-collision",
            "path-duplicate",
            "path-is-directory",
        ),
        "folder",
    ),
}
"""Beside which field an error is told."""

_OF_A_LAKE = "urls"

_WHAT_IT_IS = Field(
    name="description",
    label="What it is",
    hint="Of a new dataset: the search finds it by these words. One that is there already keeps its own.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersionPage:
    """A form, and the command that does the same."""

    says: str
    form: Form
    command: str
    command_title: str
    command_says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a form of registration says, checked."""

    name: str
    urls: tuple[str, ...]
    message: str
    description: str
    team: str
    profile: str

    @property
    def command(self) -> str:
        words = ["forebay", "dataset", "register", self.name, *self.urls]
        for option, value in _options(self.profile, self.description, self.team, self.message):
            words += [option, value] if value else []
        return " ".join(map(quote, words))


@pages.get(REGISTER)
def register_form(visit: Visit) -> Page:
    """`?name=` for another version of a dataset."""
    return _register_page(visit, forms.filled(_register(visit), visit.query))


@pages.post(REGISTER)
def register(visit: Visit) -> Page | Redirect:
    """List the lake and add the version; or give the command."""
    form = forms.filled(_register(visit), visit.form)
    try:
        asked = _asked(visit)
    except InputError as error:
        return _register_page(visit, _failed(form, error), status=422)
    if visit.lister is None:
        return _register_page(visit, form, asked.command, "This makes the version")
    try:
        added = _add(visit, visit.lister, asked)
    except ForebayError as error:
        return _register_page(visit, _failed(form, error), asked.command, status=422)
    version = added.version
    told = f"{show.count(version.files, 'file')} registered as {version.ref}."
    if not added.created:
        told = f"Nothing has changed: that is {version.ref} already."
    known = visit.hub.catalog.dataset(version.dataset).description if asked.description else ""
    told += _kept_description(version.dataset, asked.description, known)
    return Redirect(to=of_version(version.dataset, version.number), notice=told)


@pages.get(COMMIT)
def commit_form(visit: Visit) -> Page:
    """`?name=` for another version of a dataset."""
    return _commit_page(visit, forms.filled(_commit(visit), visit.query))


@pages.post(COMMIT)
def commit(visit: Visit) -> Page | Redirect:
    """Commit the folder; or check what was written, and give the command."""
    form = forms.filled(_commit(visit), visit.form)
    command = ""
    try:
        wanted = _wanted(visit)
        folder = visit.form["folder"].strip() if visit.committer is None else str(wanted.folder)
        command = _commit_command(wanted, folder)
        if visit.committer is None:
            return _commit_page(visit, form, command)
        _require_writer(visit)
        done = visit.committer(visit.hub, wanted)
    except ForebayError as error:
        return _commit_page(visit, _failed(form, error), command, status=422)
    version = done.version
    told = f"{show.count(version.files, 'file')} committed as {version.ref}, {done.sent_files:,} of them sent."
    if not done.created:
        told = f"Nothing has changed: that is {version.ref} already."
    if done.not_kept:
        told = f"{told} It is not in the cache: {done.not_kept}"
    told += _kept_description(version.dataset, wanted.description, done.description)
    return Redirect(to=of_version(version.dataset, version.number), notice=told)


def _asked(visit: Visit) -> _Asked:
    given = visit.form
    name = _named(visit)
    urls = tuple(given.get("urls", "").split())
    if not urls:
        raise InputError("missing-field", "Where the objects lie is missing.", todo="Write s3://bucket/folder/*")
    for url in urls:
        parse_location(url)
    check_description(given.get("description", ""))
    texts = {key: given.get(key, "").strip() for key in ("message", "description", "team", "profile")}
    return _Asked(name=name, urls=urls, **texts)


def _named(visit: Visit) -> str:
    """The dataset's name; InputError `bad-name`."""
    name = visit.form.get("name", "").strip()
    if not name:
        raise InputError("bad-name", "The dataset's name is missing.")
    return check_dataset_name(name)


def _add(visit: Visit, lister: Lister, asked: _Asked) -> AddedVersion:
    _require_writer(visit)
    profile = asked.profile or lister.profile
    found = lister(asked.urls, profile)
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        path = Path(folder) / found.manifest.file_name
        found.manifest.write(path)
        digest = visit.hub.catalog.store_manifest(path)
    return visit.hub.catalog.add_version(
        NewVersion(
            dataset=asked.name,
            manifest_digest=digest,
            origin="registered",
            lake_url=found.lake_url,
            profile=profile,
            created_by=visit.sight.user,
            message=asked.message,
            description=asked.description,
            team=asked.team,
            made_by=MadeBy(command=f"register {' '.join(asked.urls)}"),
        )
    )


def _require_writer(visit: Visit) -> None:
    """Nobody has a lake listed or a folder read who may not add: what is found there is not for them."""
    if not visit.may(Action.WRITE):
        raise NotAllowedError(
            "not-allowed", f"{visit.sight.user} may not add versions.", todo="Ask an admin of this hub."
        )


def _wanted(visit: Visit) -> Wanted:
    """What a form of a commit says; InputError, and NotFoundError for a parent that is not there."""
    given = visit.form
    name, folder = _named(visit), given.get("folder", "").strip()
    if not folder:
        where = "It is one of this machine." if visit.committer else "It is one of the machine where the command runs."
        raise InputError("bad-folder", "The folder is missing.", todo=where)
    parents = tuple(given.get("parents", "").split())
    for ref in parents:
        visit.hub.catalog.resolve(ref)
    check_description(given.get("description", ""))
    texts = {key: given.get(key, "").strip() for key in ("made_by", "message", "description", "team")}
    path = Path(folder) if visit.committer is None else _on_this_machine(folder)
    return Wanted(dataset=name, folder=path, parents=parents, **texts)


def _on_this_machine(folder: str) -> Path:
    """A hub has no folder that one would be in: the whole path, or one from the home folder on."""
    try:
        path = Path(folder).expanduser()
    except RuntimeError:
        raise InputError("bad-folder", f"There is no home folder {folder.partition('/')[0]}.") from None
    if "\0" in folder or not path.is_absolute():
        raise InputError("bad-folder", f"{folder[:100]!r} is no whole path.", todo="Begin it with / or ~/.")
    return path


def _commit_command(wanted: Wanted, folder: str) -> str:
    words = ["forebay", "dataset", "commit", wanted.dataset, folder]
    for ref in wanted.parents:
        words += ["--parent", ref]
    more = _options("", wanted.description, wanted.team, wanted.message)
    for option, value in (("--made-by", wanted.made_by), *more):
        words += [option, value] if value else []
    return " ".join(map(quote, words))


def _kept_description(dataset: str, given: str, known: str) -> str:
    """That it is not what was written, since only a dataset that is made gets it; "" where it is."""
    return f" {dataset} was there already and keeps its description." if given and given != known else ""


def _options(profile: str, description: str, team: str, message: str) -> tuple[tuple[str, str], ...]:
    return ("--profile", profile), ("--description", description), ("--team", team), ("-m", message)


def _failed(form: Form, error: ForebayError) -> Form:
    """Beside the field that it is about; what is told of a lake beside its addresses."""
    names = {field.name for field in form.fields}
    field = _FIELDS.get(error.kind, "")
    if not field and error.kind.endswith("-not-found") and "parents" in names:
        field = "parents"
    if not field and isinstance(error, InputError) and _OF_A_LAKE in names:
        field = _OF_A_LAKE
    return forms.failed(form, error, field)


def _register(visit: Visit) -> Form:
    fields = [
        Field(
            name="name",
            label="Dataset",
            required=True,
            placeholder="criteo",
            hint="A new one, or the next version of one that is there. Lower-case letters, digits, '.', '_' and '-'.",
        ),
        Field(
            name="urls",
            label="Where the objects lie",
            kind="textarea",
            required=True,
            placeholder="s3://bucket/criteo/day_*",
            hint="s3://, az://, gs://, https:// or file://, one a line, all in one bucket; * matches within a folder.",
        ),
        Field(name="message", label="Message", placeholder="week 12"),
        _WHAT_IT_IS,
        *_team(visit),
        Field(name="profile", label="Profile", hint="The name of the credentials in the settings; empty: the default."),
    ]
    return Form(
        action=REGISTER,
        button="Register" if visit.lister is not None else "Give me the command",
        fields=tuple(fields),
        cancel=_back(visit),
    )


def _commit(visit: Visit) -> Form:
    fields = [
        Field(name="name", label="Dataset", required=True, placeholder="features"),
        Field(
            name="folder",
            label="Folder",
            required=True,
            placeholder="/data/out" if visit.committer else "./out",
            hint=f"On {'this machine' if visit.committer else 'the machine where the command runs'}. "
            "Its files become the version.",
        ),
        Field(
            name="parents",
            label="Made from",
            placeholder="criteo@v1",
            hint="Versions with a blank between; they are its lineage.",
        ),
        Field(name="made_by", label="Made by", placeholder="python prepare.py --folds 5"),
        Field(name="message", label="Message"),
        _WHAT_IT_IS,
        *_team(visit),
    ]
    button = "Give me the command" if visit.committer is None else "Commit"
    return Form(action=COMMIT, button=button, fields=tuple(fields), cancel=_back(visit))


def _team(visit: Visit) -> Sequence[Field]:
    """Whose quota it counts against, where there are teams."""
    teams = teams_known(visit)
    options = (("", "no team"), *((team, team) for team in teams))
    return [Field(name="team", label="Team", kind="select", options=options)] if teams else []


def _back(visit: Visit) -> str:
    name = visit.query.get("name", "")
    return of_dataset(name) if name else "/datasets"


def _register_page(visit: Visit, form: Form, command: str = "", title: str = "", status: int = 200) -> Page:
    says = "Makes a version of objects that lie in a lake already: they are listed, and none is read or copied."
    return Page(
        template="datasets/register.html",
        title="Register a version",
        nav="datasets",
        context=NewVersionPage(
            says=says,
            form=form,
            command=command or "forebay dataset register criteo 's3://bucket/criteo/day_*'",
            command_title=title or ("The same in a terminal" if command else "From a terminal"),
            command_says="This hub opens no lake itself: run it where you may list the objects."
            if visit.lister is None
            else "",
        ),
        parent=("Datasets", "/datasets"),
        status=status,
    )


def _commit_page(visit: Visit, form: Form, command: str = "", status: int = 200) -> Page:
    is_own, title = visit.committer is not None, "From a terminal"
    if command:
        title = "The same in a terminal" if is_own else "Run this where the folder is"
    return Page(
        template="datasets/register.html",
        title="Commit a folder",
        nav="datasets",
        context=NewVersionPage(
            says="Makes a version of a folder's files: only what the lake lacks is sent, and it is ready at once.",
            form=form,
            command=command or "forebay dataset commit features ./out --parent criteo@v1",
            command_title=title,
            command_says=""
            if is_own
            else "The hub carries no bytes of datasets: the command sends them straight to the lake.",
        ),
        parent=("Datasets", "/datasets"),
        status=status,
    )
