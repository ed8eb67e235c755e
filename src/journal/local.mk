noinst_LIBRARIES += src/journal/libjournal.a
src_journal_libjournal_a_SOURCES = \
	%D%/journal.c \
	%D%/journal.h \
	%D%/journal_priv.h \
	%D%/replay.c \
	%D%/sealed.c
