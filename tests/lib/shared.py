# SPDX-License-Identifier: ISC
"""Mounts that the tests of one program share, one for each set of options.

A test works in a folder of its own below each of them, and may leave behind
what has to hold after a new mount, and on a second machine.
"""
import contextlib
import os
import traceback

import harness as H

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested


class Shared:
    def __init__(self, base):
        self.base = base
        self.vaults = {}        # options: vault
        self.mounts = {}        # options: mount
        self.kept = []          # (options, folder, holds)
        self.n_folders = 0

    def mount(self, options):
        if options not in self.mounts:
            here = os.path.join(self.base, "-".join(options) or "plain")
            os.mkdir(here)
            os.chmod(here, 0o755)
            v = self.vaults[options] = H.Vault(here, args=FAST)
            m = self.mounts[options] = H.Mount(
                v, os.path.join(here, "mnt-here"), "here", options)
            os.chmod(m.path, 0o755)
        return self.mounts[options]

    def folder(self, options):
        """A new folder below the mount with these options."""
        self.n_folders += 1
        top = os.path.join(self.mount(options).path,
                           "folder%d" % self.n_folders)
        os.mkdir(top)
        os.chmod(top, 0o777)
        return top

    def each(self, modes, body):
        """body(folder) in a new one of each mount.  What it returns, if
        anything, is a function of the folder that must hold now and later."""
        for options in modes:
            top = self.folder(options)
            try:
                holds = body(top)
                if holds:
                    holds(top)
                    self.kept.append((options, os.path.basename(top), holds))
            except Exception as e:
                raise AssertionError("with -o %s" % ",".join(options)) from e

    def check_kept(self, where):
        failed = []
        for options, folder, holds in self.kept:
            m = self.mounts.get(options)
            try:
                holds(os.path.join(m.path, folder))
            except Exception:       # all of them are told
                failed.append("%s, -o %s: %s" % (
                    where, ",".join(options), traceback.format_exc()))
        assert not failed, "\n".join(failed)

    def survive(self):
        """What was kept holds after a new mount and on a second machine."""
        assert self.kept, "no test has left anything to look at"
        for options in self.mounts:
            self.mounts[options].umount()
            self.mounts[options] = H.Mount(
                self.vaults[options], self.mounts[options].path, "here",
                options)
        self.check_kept("mounted again")
        for options in self.mounts:
            self.mounts[options].umount()
            self.mounts[options] = H.Mount(
                self.vaults[options], self.mounts[options].path, "second",
                options)
        self.check_kept("second machine")

    def end(self):
        for options, m in self.mounts.items():
            if m.pid:
                m.umount()
                report = self.vaults[options].check("--read-data",
                                                    device=m.device)
                assert report["ok"] and report["damaged"] == 0, report


@contextlib.contextmanager
def shared():
    with H.scratch() as base:
        s = Shared(base)
        yield s
        s.end()
