"""`strongroom vocabulary`: the big vocabularies from the files that the registries publish."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from strongroom.settings import Settings

SOURCES = ("ror", "funders", "awards", "orcid", "subjects")
# Which of the samples belongs to which source.
SAMPLES = (
    ("ror", "ror.zip"),
    ("funders", "funders.rdf"),
    ("awards", "awards.tar"),
    ("awards", "awards-cordis.csv"),
    ("orcid", "orcid.tar.gz"),
    ("subjects", "subjects-mesh.xml"),
    ("subjects", "subjects-euroscivoc.rdf"),
)


@click.group()
def vocabulary() -> None:
    """Affiliations, funders, awards, names and subjects."""


@vocabulary.command("load")
@click.argument("source", type=click.Choice(SOURCES))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--retire-many", is_flag=True, help="Also when more than half of what is there is not in the file."
)
def load(source: str, file: Path, retire_many: bool) -> None:
    """Load a registry's file: new and changed entries are written, those it no longer has are retired.

    Works while the server runs, and may be repeated. ror: data dump (zip, JSON or CSV). funders: Crossref's
    registry.rdf or CSV. awards: OpenAIRE's project.tar, CORDIS' project CSV, or JSON lines. orcid: the summaries of the
    Public Data File (tar.gz). subjects: MeSH descriptors, SKOS in RDF/XML or N-Triples (FAST), JSON lines or CSV.
    """
    _load([(source, file)], retire_many)


@vocabulary.command("samples")
def samples() -> None:
    """Load the samples that come with the program, a few hundred entries of each; for trying out."""
    from importlib.resources import files

    folder = Path(str(files("strongroom.vocabularies") / "samples"))
    _load([(source, folder / name) for source, name in SAMPLES], False)


def _load(wanted: list[tuple[str, Path]], retire_many: bool) -> None:
    from strongroom import migrations
    from strongroom.db import Database, wait_for
    from strongroom.search.terms import TermService
    from strongroom.vocabularies import loading
    from strongroom.vocabularies.sources import DatabaseTerms

    settings = Settings()
    settings.make_data_dir()
    database = Database(settings)
    wait_for(database)
    migrations.upgrade(database)
    shows = sys.stderr.isatty()

    def indexed(done: int, newest: int) -> None:
        if shows:
            click.echo(f"\rindexed up to change {done:,} of {newest:,}\033[K", err=True, nl=False)

    index = TermService(settings.index_dir, DatabaseTerms(database))
    for source, file in wanted:
        # Indexed meanwhile: most of that is done beside Python, on another core.
        with index.following() as follow:

            def told(progress: loading.Progress, follow: Callable[[], None] = follow) -> None:
                follow()
                if shows:
                    click.echo(f"\r{progress}\033[K", err=True, nl=False)

            progress = loading.load(database, source, file, told, retire_many=retire_many)
        if shows:
            click.echo("\r\033[K", err=True, nl=False)
        click.echo(f"{file.name}: {progress}.")
        for refused in progress.reasons:
            click.echo(f"  refused: {refused.where} {refused.why}", err=True)
    index.wait(told=indexed)
    if shows:
        click.echo("\r\033[K", err=True, nl=False)
    database.close()
