"""Programs and markup, with their words coloured by Pygments."""

from __future__ import annotations

import nh3

from strongroom.previews import sandbox
from strongroom.previews.documents import beginning, shown
from strongroom.previews.results import Result, Source, Text, Unreadable

# End of the name → Pygments' name of the language.
LEXERS = {
    "py": "python", "pyw": "python", "r": "r", "rmd": "markdown", "qmd": "markdown", "jl": "julia", "m": "matlab", "do": "stata",
    "sas": "sas", "sps": "text", "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp", "cxx": "cpp", "hpp": "cpp", "cu": "cuda",
    "f": "fortranfixed", "f90": "fortran", "f95": "fortran", "f03": "fortran", "for": "fortranfixed", "java": "java", "kt": "kotlin",
    "scala": "scala", "go": "go", "rs": "rust", "rb": "ruby", "pl": "perl", "pm": "perl", "php": "php", "lua": "lua", "swift": "swift",
    "cs": "csharp", "hs": "haskell", "ml": "ocaml", "js": "javascript", "mjs": "javascript", "ts": "typescript", "css": "css", "scss": "scss",
    "html": "html", "htm": "html", "xml": "xml", "xsd": "xml", "xsl": "xml", "xslt": "xml", "rdf": "xml", "gml": "xml", "kml": "xml",
    "owl": "xml", "tei": "xml", "ttl": "turtle", "n3": "turtle", "sparql": "sparql", "rq": "sparql", "sql": "sql", "sh": "bash", "bash": "bash", "zsh": "bash",
    "ps1": "powershell", "bat": "batch", "yaml": "yaml", "yml": "yaml", "cff": "yaml", "toml": "toml", "ini": "ini", "cfg": "ini",
    "conf": "ini", "tex": "tex", "bib": "bibtex", "ris": "text", "rst": "rst", "jsonl": "json", "ndjson": "json", "ipynb": "json",
    "smk": "python", "nf": "groovy", "groovy": "groovy", "cwl": "yaml", "wdl": "text", "dockerfile": "docker", "diff": "diff", "patch": "diff",
    "proto": "protobuf", "graphql": "graphql", "vhdl": "vhdl", "v": "verilog", "fasta": "text", "fa": "text", "fastq": "text", "vcf": "text", "gff": "text", "bed": "text", "pdb": "text", "cif": "text", "mol": "text", "sdf": "text",
}  # fmt: skip
_MOST = 131_072  # bytes that are coloured
_LONG_LINE = 5_000
_cleaner = nh3.Cleaner(tags={"span"}, attributes={"span": {"class"}}, link_rel=None)


def code(source: Source) -> Result:
    """The first 131,072 bytes, coloured; without colours where that takes too long or lines are endless.

    Raises Unreadable: no text, busy.
    """
    read, encoding, whole = beginning(source, _MOST)
    plain = shown(read, source, whole, encoding)
    plain = Text(plain.html, min(source.size, _MOST), whole, encoding)
    language = LEXERS.get(source.key.rpartition(".")[2].lower(), "text")
    if language == "text" or any(len(line) > _LONG_LINE for line in read.split("\n")):
        return plain
    try:
        made = sandbox.of_text("code", read, language)
    except Unreadable as error:
        if error.reason == "busy":  # it will have colours when asked again: not to be kept without them
            raise
        return plain
    return Text(_cleaner.clean(made), plain.shown, whole, encoding)
