# A target per decoder.  In `make check` each is run on its corpus and on small
# changes of it (replay_*); with --enable-fuzzers there is also a libFuzzer
# program of each (fuzz_*):
#
#   ./tests/fuzz/fuzz_op -max_total_time=60 NEW $(top_srcdir)/tests/fuzz/corpus/op
#
# make_corpus FOLDER writes the seeds anew.
FUZZ_LIBS = src/format/libformat.a src/crypto/libcrypto.a src/base/libbase.a \
	$(PROGRAM_LIBS)
FUZZ_REPLAY_FILES = %D%/replay_main.c %D%/fuzz.h

check_PROGRAMS += \
	tests/fuzz/replay_frame \
	tests/fuzz/replay_header \
	tests/fuzz/replay_op \
	tests/fuzz/replay_pack \
	tests/fuzz/replay_segment \
	tests/fuzz/replay_slot

tests_fuzz_replay_frame_SOURCES = %D%/fuzz_frame.c $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_frame_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_header_SOURCES = %D%/fuzz_header.c $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_header_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_op_SOURCES = %D%/fuzz_op.c $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_op_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_pack_SOURCES = %D%/fuzz_pack.c $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_pack_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_segment_SOURCES = %D%/fuzz_segment.c $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_segment_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_slot_SOURCES = %D%/fuzz_slot.c $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_slot_LDADD = $(FUZZ_LIBS)

EXTRA_PROGRAMS += tests/fuzz/make_corpus
tests_fuzz_make_corpus_SOURCES = %D%/make_corpus.c %D%/fuzz.h \
	tests/unit/op_samples.c tests/unit/op_samples.h
tests_fuzz_make_corpus_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_fuzz_make_corpus_LDADD = $(FUZZ_LIBS)

if FUZZERS
noinst_PROGRAMS += \
	tests/fuzz/fuzz_frame \
	tests/fuzz/fuzz_header \
	tests/fuzz/fuzz_op \
	tests/fuzz/fuzz_pack \
	tests/fuzz/fuzz_segment \
	tests/fuzz/fuzz_slot

FUZZ_LINK_FLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_frame_SOURCES = %D%/fuzz_frame.c %D%/fuzz.h
tests_fuzz_fuzz_frame_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_frame_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_header_SOURCES = %D%/fuzz_header.c %D%/fuzz.h
tests_fuzz_fuzz_header_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_header_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_op_SOURCES = %D%/fuzz_op.c %D%/fuzz.h
tests_fuzz_fuzz_op_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_op_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_pack_SOURCES = %D%/fuzz_pack.c %D%/fuzz.h
tests_fuzz_fuzz_pack_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_pack_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_segment_SOURCES = %D%/fuzz_segment.c %D%/fuzz.h
tests_fuzz_fuzz_segment_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_segment_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_slot_SOURCES = %D%/fuzz_slot.c %D%/fuzz.h
tests_fuzz_fuzz_slot_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_slot_LDFLAGS = $(FUZZ_LINK_FLAGS)
endif

EXTRA_DIST += %D%/corpus
