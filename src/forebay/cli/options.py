"""Options that more than one command takes: each is defined here, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path | None, typer.Option(help="Forebay's own folder.", metavar="DIR", show_default=False)]
VolumeRoot = Annotated[
    Path | None, typer.Option("--volume", help="The cache volume.", metavar="DIR", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print ids only, one a line.")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Go on although much would be given up.")]
Profile = Annotated[str | None, typer.Option(help="Credentials profile of the lake.", show_default=False)]
Message = Annotated[str, typer.Option("--message", "-m", help="What is in it, or why.", show_default=False)]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only files such as 'day_0*' or '**/*.parquet'; more than once: any of them."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B", help="Of Parquet files only these columns, by commas or more than once."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="CONDITION", help="Of Parquet files only row groups that may hold such rows: 'day>=3'."),
]
Exclude = Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Not these; more than once: none of them.")]

TeamName = Annotated[
    str, typer.Option("--team", metavar="TEAM", help="Whose quotas its replicas count against.", show_default=False)
]

DescribedAs = Annotated[
    str,
    typer.Option("--description", metavar="TEXT", help="What it is; of a dataset that this makes.", show_default=False),
]

Name = Annotated[str, typer.Argument(metavar="NAME", help="A dataset: criteo", show_default=False)]
Ref = Annotated[
    str,
    typer.Argument(metavar="REF", help="A version: criteo@v3, criteo@prod, criteo@DIGEST, criteo", show_default=False),
]
NameOrRef = Annotated[
    str, typer.Argument(metavar="NAME|REF", help="A dataset (criteo) or a version (criteo@v3).", show_default=False)
]
Refs = Annotated[list[str], typer.Argument(metavar="REF", help="Versions: criteo@v3 features@prod", show_default=False)]
AnyRefs = Annotated[
    list[str] | None, typer.Argument(metavar="REF", help="Versions: criteo@v3 features@prod", show_default=False)
]
