# SPDX-License-Identifier: ISC
"""Opening files that others can write (chapter 1, "Opening files")."""
import errno
import os
import stat

from .wire import Problem, require

DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | \
    os.O_CLOEXEC


class Folder:
    """A directory kept open; what is beneath it is reached from it only."""

    def __init__(self, fd, path):
        self.fd, self.path = fd, path

    @classmethod
    def open(cls, path):
        """A directory the user named: links in its path are the user's."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC),
                   path)

    def where(self, name):
        return os.path.join(self.path, name)

    def close(self):
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def folder(self, name):
        """A directory in this one, be it absent."""
        try:
            return Folder(os.open(name, DIR_FLAGS, dir_fd=self.fd),
                          self.where(name))
        except FileNotFoundError:
            return NoFolder(None, self.where(name))
        except OSError as e:
            raise Problem(e.strerror, self.where(name)) from None

    def names(self):
        return sorted(os.listdir(self.fd))

    def file(self, name):
        """An open regular file and its size; the caller closes it."""
        try:
            fd = os.open(name, FILE_FLAGS, dir_fd=self.fd)
        except OSError as e:
            reason = "a link" if e.errno == errno.ELOOP else e.strerror
            raise Problem(reason, self.where(name)) from None
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode):
            os.close(fd)
            raise Problem("not a regular file", self.where(name))
        return fd, st.st_size

    def read(self, name, least, most):
        """All bytes of a file of a size in these bounds."""
        fd, size = self.file(name)
        try:
            if not least <= size <= most:
                raise Problem("impossible size %d" % size, self.where(name))
            return read_at(fd, 0, size)
        except Problem as p:
            p.where = p.where or self.where(name)
            raise
        finally:
            os.close(fd)


class NoFolder(Folder):
    """A directory that is not there."""

    def close(self):
        pass

    def folder(self, name):
        return NoFolder(None, self.where(name))

    def names(self):
        return []

    def file(self, name):
        raise Problem("missing", self.where(name))


def read_at(fd, offset, n):
    parts = []
    while n:
        try:
            part = os.pread(fd, min(n, 1 << 24), offset)
        except OSError as e:
            raise Problem(e.strerror) from None
        require(part, "the file ends too early")
        parts.append(part)
        offset, n = offset + len(part), n - len(part)
    return b"".join(parts)
