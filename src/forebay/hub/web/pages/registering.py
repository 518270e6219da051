"""New versions: registering what lies in a lake, and the command that commits a folder.

Where the hub is one's own machine it lists the lake itself. A team's hub never opens a lake: there, and for a commit,
whose files are elsewhere, the page checks what was written and gives the command.
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
    "bad-folder": "folder",
    "bad-description": "description",
    "not-allowed": "name",
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
    if asked.description and visit.hub.catalog.dataset(version.dataset).description != asked.description:
        told += f" {version.dataset} was there already and keeps its description."
    return Redirect(to=of_version(version.dataset, version.number), notice=told)


@pages.get(COMMIT)
def commit_form(visit: Visit) -> Page:
    """`?name=` for another version of a dataset."""
    return _commit_page(forms.filled(_commit(visit), visit.query))


@pages.post(COMMIT)
def commit(visit: Visit) -> Page:
    """Check what was written; the command."""
    form = forms.filled(_commit(visit), visit.form)
    try:
        command = _commit_command(visit)
    except ForebayError as error:
        return _commit_page(_failed(form, error), status=422)
    return _commit_page(form, command)


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
    """Nobody has a lake listed who may not add: what a listing says is not for them."""
    if not visit.may(Action.WRITE):
        raise NotAllowedError(
            "not-allowed", f"{visit.sight.user} may not add versions.", todo="Ask an admin of this hub."
        )
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


def _commit_command(visit: Visit) -> str:
    given = visit.form
    words = ["forebay", "dataset", "commit", _named(visit)]
    folder = given.get("folder", "").strip()
    if not folder:
        raise InputError(
            "bad-folder", "The folder is missing.", todo="It is one of the machine where the command runs."
        )
    words.append(folder)
    for ref in given.get("parents", "").split():
        visit.hub.catalog.resolve(ref)
        words += ["--parent", ref]
    if made_by := given.get("made_by", "").strip():
        words += ["--made-by", made_by]
    told = {key: given.get(key, "").strip() for key in ("description", "team", "message")}
    check_description(told["description"])
    for option, value in _options("", **told):
        words += [option, value] if value else []
    return " ".join(map(quote, words))


def _options(profile: str, description: str, team: str, message: str) -> tuple[tuple[str, str], ...]:
    return ("--profile", profile), ("--description", description), ("--team", team), ("-m", message)


def _failed(form: Form, error: ForebayError) -> Form:
    """Beside the field that it is about; what is told of a lake beside its addresses."""
    names = {field.name for field in form.fields}
    field = _FIELDS.get(error.kind, _OF_A_LAKE if isinstance(error, InputError) and _OF_A_LAKE in names else "")
    if error.kind.endswith("-not-found") and "parents" in names:
        field = "parents"
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
            placeholder="./out",
            hint="On the machine where the command runs. Its files become the version.",
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
    return Form(action=COMMIT, button="Give me the command", fields=tuple(fields), cancel=_back(visit))


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


def _commit_page(form: Form, command: str = "", status: int = 200) -> Page:
    return Page(
        template="datasets/register.html",
        title="Commit a folder",
        nav="datasets",
        context=NewVersionPage(
            says="Makes a version of a folder's files: only what the lake lacks is sent, and it is ready at once.",
            form=form,
            command=command or "forebay dataset commit features ./out --parent criteo@v1",
            command_title="Run this where the folder is" if command else "From a terminal",
            command_says="The hub carries no bytes of datasets: the command sends them straight to the lake.",
        ),
        parent=("Datasets", "/datasets"),
        status=status,
    )
