noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
	%D%/block.c \
	%D%/block.h \
	%D%/buf.c \
	%D%/buf.h \
	%D%/clock.c \
	%D%/clock.h \
	%D%/cursor.c \
	%D%/cursor.h \
	%D%/diag.c \
	%D%/diag.h \
	%D%/env.c \
	%D%/env.h \
	%D%/env_posix.c \
	%D%/err.c \
	%D%/err.h \
	%D%/hex.c \
	%D%/hex.h \
	%D%/lock.c \
	%D%/lock.h \
	%D%/mem.c \
	%D%/mem.h \
	%D%/publish.c \
	%D%/publish.h \
	%D%/replace.c \
	%D%/replace.h \
	%D%/tally.c \
	%D%/tally.h
