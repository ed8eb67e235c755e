# SPDX-License-Identifier: ISC
"""Writing a tree out (chapter 9, "Extraction").

Nothing is looked up by a path: every directory is reached from the one given,
one component at a time, without following links.
"""
import os
import stat

from .files import DIR_FLAGS
from .ops import BLOCK, CHAR, DIRECTORY, FILE, SYMLINK
from .wire import FAILED, Problem

NODE = {4: stat.S_IFIFO, 5: stat.S_IFSOCK, 6: stat.S_IFCHR, 7: stat.S_IFBLK}


def pieces(vault, version):
    """(offset, bytes) of a file's contents; what lies between are holes."""
    for at, length, source in vault.state.extents(version):
        if isinstance(source, bytes):
            yield at, source
        else:
            cid, start = source
            yield at, vault.chunk(cid)[start:start + length]


class Extractor:
    def __init__(self, vault, directory, report):
        self.vault, self.report = vault, report
        self.root = os.geteuid() == 0
        self.first = {}         # inode with several names -> its first path
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        self.top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY |
                           os.O_NOFOLLOW | os.O_CLOEXEC)
        if os.listdir(self.top):
            raise Problem("not empty", directory, FAILED)

    def run(self):
        dirs = [((), self.vault.view.root)]
        for path, entry in dirs:        # grows while it is walked
            fd = self.enter(path)
            for name, e in sorted(entry.children.items()):
                inner = path + (name,)
                if self.attempt(inner, self.make, fd, name, e, inner) and \
                        e.kind == DIRECTORY:
                    dirs.append((inner, e))
            os.close(fd)
        for path, entry in reversed(dirs):
            fd = self.enter(path)
            self.attempt(path, self.dress, fd, entry)
            os.close(fd)

    def attempt(self, path, what, *args):
        """Does one thing; a failure is reported and does not end the rest."""
        try:
            what(*args)
            return True
        except Problem as p:
            reason, code = str(p), p.code
        except OSError as e:
            reason, code = e.strerror, FAILED
        self.report(Problem(reason, os.fsdecode(b"/".join(path)) or ".",
                            code))
        return False

    def enter(self, path):
        """A descriptor of a directory made earlier."""
        fd = os.dup(self.top)
        for name in path:
            try:
                inner = os.open(name, DIR_FLAGS, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
        return fd

    def make(self, fd, name, entry, path):
        if entry.kind == DIRECTORY:
            return os.mkdir(name, 0o700, dir_fd=fd)
        if entry.ino in self.first:
            return self.link(self.first[entry.ino], fd, name)
        node = self.vault.state.inodes[entry.members[0].ino]
        if entry.kind == FILE:
            self.write(fd, name, entry)
        else:
            if entry.kind == SYMLINK:
                os.symlink(node.target, name, dir_fd=fd)
            elif entry.kind in (CHAR, BLOCK) and not self.root:
                raise Problem("a device, which only root can make",
                              code=FAILED)
            else:
                os.mknod(name, NODE[entry.kind] | 0o600,
                         os.makedev(*node.rdev), dir_fd=fd)
            self.dress_name(fd, name, entry)
        if self.vault.view.links(entry) > 1:
            self.first[entry.ino] = path

    def link(self, path, fd, name):
        at = self.enter(path[:-1])
        try:
            os.link(path[-1], name, src_dir_fd=at, dst_dir_fd=fd,
                    follow_symlinks=False)
        finally:
            os.close(at)

    def write(self, fd, name, entry):
        out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL |
                      os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=fd)
        try:
            os.ftruncate(out, self.vault.state.size(entry.version))
            for at, data in pieces(self.vault, entry.version):
                while data:
                    n = os.pwrite(out, data, at)
                    at, data = at + n, data[n:]
        except (OSError, Problem):
            os.unlink(name, dir_fd=fd)  # never half a file
            os.close(out)
            raise
        try:
            self.dress(out, entry)
        finally:
            os.close(out)

    def dress_name(self, fd, name, entry):
        at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC,
                     dir_fd=fd)
        try:
            self.dress(at, entry)
        finally:
            os.close(at)

    def dress(self, fd, entry):
        """Owner, extended attributes, mode and times of what fd refers to,
        a link itself included."""
        r, failed = self.vault.view.registers(entry), None
        where = "/proc/self/fd/%d" % fd
        if self.root:
            os.chown(where, *r["owner"])
        for key, value in sorted((k, v) for k, v in r.items()
                                 if isinstance(k, bytes) and v is not None):
            try:
                os.setxattr(where, key, value)
            except OSError as e:
                failed = failed or OSError(e.errno, "attribute %s: %s" % (
                    os.fsdecode(key), e.strerror))
        if entry.kind != SYMLINK:
            os.chmod(where, r["mode"])
        os.utime(where, ns=(r["atime"], r["mtime"]))
        if failed:
            raise failed
