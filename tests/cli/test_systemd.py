#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The unit for systemd is one."""
import os
import shutil

from cli_case import H, TOP, main

UNIT = "contrib/systemd/coffer@.service"
SYSTEM_UNIT = "contrib/systemd/coffer-system@.service"


def verify(box, name, text, who="--user"):
    """What systemd has to say of it."""
    path = box.write(name, text)
    p = H.run(["systemd-analyze", "verify", who, "--man=no", path],
              ok=False, env=box.env)
    return p.returncode, (p.stdout + p.stderr).decode()


def text_of(unit):
    with open(os.path.join(TOP, unit), encoding="utf-8") as f:
        text = f.read()
    # It looks for the program where the manager does, not where it was built.
    text = text.replace("=coffer ", "=%s " % os.path.abspath(H.COFFER))
    assert text.count(os.path.abspath(H.COFFER)) == 2, text
    return text


def test_systemd_takes_the_units(box):
    text = text_of(UNIT)
    assert verify(box, "coffer@.service", text) == (0, "")
    system = text_of(SYSTEM_UNIT)
    assert verify(box, "coffer-system@.service", system, "--system") == (0, "")
    # And would not take every text.
    wrong = text.replace("Type=notify", "Type=notfy")
    assert "notfy" in verify(box, "wrong@.service", wrong)[1]


def test_the_example_names_what_the_unit_wants(box):
    unit, system = text_of(UNIT), text_of(SYSTEM_UNIT)
    with open(os.path.join(TOP, "contrib/systemd/example.conf"),
              encoding="utf-8") as f:
        names = {line.split("=")[0] for line in f
                 if "=" in line and not line.startswith("#")}
    assert names == {"VAULT", "MOUNTPOINT", "OPTIONS"}, names
    for name in names:
        assert "${%s}" % name in unit and "${%s}" % name in system, name


if __name__ == "__main__":
    if not shutil.which("systemd-analyze"):
        H.skip("there is no systemd-analyze")
    main(dict(globals()))
