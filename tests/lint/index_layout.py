#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Whoever changes what the index holds raises its version, so that an index of
before is made anew and not misread.

What writes the index (the schema, and the functions that make records, ids and
cookies) is hashed and compared with index_layout.txt, which says of which
version that was.  After raising DB_SCHEMA_VERSION: index_layout.py --update.
A change that leaves every byte as it was needs that too; all it costs is one
slow opening.
"""

import hashlib
import re
import sys

import sources

VERSION = re.compile(r"^#define DB_SCHEMA_VERSION (\d+)$", re.MULTILINE)
SCHEMA = re.compile(r"^static const char schema\[\] =.*?;$", re.MULTILINE | re.DOTALL)
PUTS = re.compile(r"\bindex_(?:value|writer|link|xattr|node)_put\(")
MAKER = re.compile(r"encode|^put_|_put$|^list_|_id$|cookie")
READER = re.compile(r"^(read|find|get|node_get|memo)_|decode|^node_put$|^by_id$")
CONSTANTS = re.compile(
    r"^#define \w+_(?:TABLE|VERSION|BYTES)\b[^\n]*$|^enum \w+_bit \{.*?^\};$",
    re.MULTILINE | re.DOTALL,
)
# Bytes in the order these say.
WHOLE = ("src/vault/merge/node_rec.c",)


def functions(text):
    """Yields (name, text with its head) of each function."""
    lines = text.split("\n")
    begin = None
    for i, line in enumerate(lines):
        if line.startswith("{"):
            begin = i
        elif line.startswith("}") and begin is not None:
            head = begin
            while head > 0 and lines[head - 1].strip():
                head -= 1
            match = re.search(r"^[a-z].*?\b(\w+)\(", "\n".join(lines[head:begin]), re.MULTILINE)
            if match:
                yield match.group(1), "\n".join(lines[head : i + 1])
            begin = None


def makers(name, text):
    """What of a source makes what the index holds: functions and constants."""
    whole = name in WHOLE
    if not whole and not PUTS.search(text):
        return
    for match in CONSTANTS.finditer(text):
        yield "", match.group()
    for function, body in functions(text):
        if READER.search(function):
            continue
        if whole or PUTS.search(body) or MAKER.search(function):
            yield function, body


def plain(text):
    """Without comments, and white space told apart from none only."""
    text = sources.LEXEME.sub(
        lambda m: m.group() if m.group("string") else " ", text
    )
    return " ".join(text.split())


def layout():
    """The hash of all, and how many functions that were."""
    digest = hashlib.blake2b(digest_size=16)
    stmt = (sources.top() / "src/index/stmt.c").read_text()
    digest.update(plain(SCHEMA.search(stmt).group()).encode())
    n = 0
    for path in sources.files("src/vault", ".c"):
        for function, body in makers(sources.name(path), path.read_text()):
            digest.update(f"\n{function}\n{plain(body)}".encode())
            n += 1
    return digest.hexdigest(), n


def main():
    here = sources.top() / "tests/lint/index_layout.txt"
    header = (sources.top() / "src/index/db_priv.h").read_text()
    version = VERSION.search(header).group(1)
    known_version, known = here.read_text().split()
    now, n = layout()
    assert n >= 20, f"only {n} functions found"
    if "--update" in sys.argv[1:]:
        if now != known and int(version) <= int(known_version):
            sys.exit("raise DB_SCHEMA_VERSION in src/index/db_priv.h first")
        here.write_text(f"{version} {now}\n")
        return
    faults = []
    if now != known:
        faults.append(
            "src/vault: what the index holds may have changed: raise "
            "DB_SCHEMA_VERSION in src/index/db_priv.h, then run "
            "tests/lint/index_layout.py --update"
        )
    elif version != known_version:
        faults.append("tests/lint/index_layout.txt: of another version: --update")
    sources.report(faults, n)


if __name__ == "__main__":
    sys.exit(main())
