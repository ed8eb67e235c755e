/* SPDX-License-Identifier: ISC */
/*
 * Error codes of every layer.
 *
 * A fallible function returns an int: 0 or more is success, negative is
 * failure.  A failure is either -errno (1..4095) or one of the codes below,
 * negated by name: ERR_WRONG_KEY is already negative.  Only fuse and cli
 * translate: err_errno() gives the errno a program sees.  Absence is not an
 * error: look-ups return 0 for absent and 1 for found.  Outputs are untouched
 * on failure.
 */
#ifndef COFFER_BASE_ERR_H
#define COFFER_BASE_ERR_H

/* X(name, number, parent errno, sentence) */
#define ERR_TABLE(X)                                                          \
	X(WRONG_KEY, 4096, EACCES, "wrong passphrase or key")                 \
	X(BAD_SEAL, 4097, EIO, "the bytes are not authentic")                 \
	X(TRUNCATED, 4098, EIO, "the data ends too early")                    \
	X(MALFORMED, 4099, EIO, "the data breaks the format's rules")         \
	X(NEWER, 4100, EIO, "the format is newer than this program") \
	X(LIMIT, 4101, EOVERFLOW, "a limit of the format is exceeded")        \
	X(BAD_NAME, 4102, EIO, "a file's name does not fit its contents")     \
	X(NOT_VAULT, 4103, ENOTDIR, "not a vault")                            \
	X(DAMAGED, 4104, EIO, "damaged")                                      \
	X(MISSING, 4105, EIO, "a file of the vault is missing")               \
	X(FORKED, 4106, EIO, "two histories of one device exist")             \
	X(ROLLED_BACK, 4107, EIO, "the vault is older than what was seen")    \
	X(IN_USE, 4108, EBUSY, "in use by another process")                   \
	X(KDF_LIMIT, 4109, ERANGE, "the key derivation asks for too much")    \
	X(BAD_INDEX, 4110, EIO, "the index must be rebuilt")                  \
	X(READ_ONLY, 4111, EROFS, "the vault is open read-only")              \
	X(NO_SLOT, 4112, EACCES, "no key slot of that kind")                  \
	X(LAST_SLOT, 4113, EBUSY, "the last key slot cannot be removed")      \
	X(DEAD_WRITER, 4114, EIO, "an earlier write failed; reopen")          \
	X(NEW_EPOCH, 4115, EROFS, "a newer key epoch exists; unlock anew")    \
	X(STRANGER, 4116, EIO, "another file stands under that name")         \
	X(NO_DEVICE, 4117, ENODEV, "FUSE is not available")                   \
	X(BAD_MOUNTPOINT, 4118, ENOTDIR, "the mount point is unusable")       \
	X(INTERRUPTED, 4119, EINTR, "interrupted")

enum {
#define ERR_ENUM_(name, number, parent, sentence) ERR_##name = -(number),
	ERR_TABLE(ERR_ENUM_)
#undef ERR_ENUM_
};

#define must_check __attribute__((warn_unused_result))

/* The symbolic name ("WRONG_KEY", "ENOSPC"); never NULL, never freed. */
const char *err_name(int err);

/* A sentence without final stop; thread-safe; never NULL, never freed. */
const char *err_text(int err);

/* The positive errno a program is answered for a negative `err`. */
int err_errno(int err);

#endif
