# SPDX-License-Identifier: ISC
"""What the lint tests share: the list of sources, and code without its
comments and strings."""

import os
import re
import sys
from pathlib import Path

LEXEME = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE,
)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b.*$", re.MULTILINE)


def top():
    """The top of the source tree."""
    given = os.environ.get("top_srcdir")
    return Path(given) if given else Path(__file__).resolve().parents[2]


def files(folder, *suffixes):
    """All files below a folder of the tree, sorted; at least one."""
    found = sorted(
        path
        for path in (top() / folder).rglob("*")
        if path.suffix in suffixes and path.is_file()
    )
    if not found:
        sys.exit(f"no {suffixes} in {top() / folder}: wrong tree?")
    return found


def bare(text):
    """The code with comments, strings and include lines blanked out; line
    numbers stay as they are."""

    def blank(match):
        inside = re.sub(r"[^\n]", " ", match.group())
        return '""' + inside[2:] if match.group("string") else inside

    text = LEXEME.sub(blank, text)
    return INCLUDE.sub("", text)


def line_of(text, position):
    """The line number of a position in a text."""
    return text.count("\n", 0, position) + 1


def name(path):
    """A path as it is printed: from the top of the tree."""
    return path.relative_to(top()).as_posix()


def report(faults, n_files):
    """Prints the faults and ends the test."""
    for fault in faults:
        print(fault)
    print(f"{n_files} files, {len(faults)} faults")
    sys.exit(1 if faults else 0)
