# A target per decoder.  In `make check` each is run on its corpus and on small
# changes of it (replay_*); with --enable-fuzzers there is also a libFuzzer
# program of each (fuzz_*):
#
#   ./tests/fuzz/fuzz_op -max_total_time=60 NEW $(top_srcdir)/tests/fuzz/corpus/op
#
# make_corpus FOLDER writes the seeds anew.
FUZZ_LIBS = src/format/libformat.a src/crypto/libcrypto.a src/base/libbase.a \
	$(PROGRAM_LIBS)
FUZZ_VAULT_LIBS = src/vault/libvault.a src/journal/libjournal.a \
	src/index/libindex.a src/store/libstore.a src/cache/libcache.a \
	$(FUZZ_LIBS)
FUZZ_REPLAY_FILES = %D%/replay_main.c %D%/fuzz.h

# What uses more than codecs has a disk in memory; a whole vault also chance and
# time that repeat themselves, and a cheap key derivation.
FUZZ_DISK_FILES = %D%/mem_env.c %D%/mem_env.h
FUZZ_VAULT_FILES = $(FUZZ_DISK_FILES) %D%/model.c %D%/model.h %D%/stand_in.c \
	%D%/stand_in.h %D%/world.c %D%/world.h
FUZZ_STAND_IN = -Wl,--wrap=random_bytes -Wl,--wrap=random_u64 \
	-Wl,--wrap=kdf_argon2id
FUZZ_CONTROL_FILES = src/cli/control.c src/cli/control_text.c src/cli/exit.c \
	src/cli/gather.c src/cli/mounted.c src/cli/stats_text.c src/cli/units.c \
	src/fuse/request_stats.c

FUZZ_CLI = %D%/fuzz_cli.c $(CLI_FILES)
FUZZ_CONTROL = %D%/fuzz_control.c $(FUZZ_VAULT_FILES) $(FUZZ_CONTROL_FILES)
FUZZ_FRAME = %D%/fuzz_frame.c
FUZZ_HEADER = %D%/fuzz_header.c
FUZZ_INDEX = %D%/fuzz_index.c $(FUZZ_DISK_FILES)
FUZZ_JOURNAL = %D%/fuzz_journal.c $(FUZZ_DISK_FILES)
FUZZ_LOCAL = %D%/fuzz_local.c $(FUZZ_DISK_FILES)
FUZZ_OP = %D%/fuzz_op.c
FUZZ_PACK = %D%/fuzz_pack.c
FUZZ_RECOVERY = %D%/fuzz_recovery.c
FUZZ_SEGMENT = %D%/fuzz_segment.c
FUZZ_SLOT = %D%/fuzz_slot.c
FUZZ_VAULT = %D%/fuzz_vault.c $(FUZZ_VAULT_FILES)

check_PROGRAMS += \
	tests/fuzz/replay_cli \
	tests/fuzz/replay_control \
	tests/fuzz/replay_frame \
	tests/fuzz/replay_header \
	tests/fuzz/replay_index \
	tests/fuzz/replay_journal \
	tests/fuzz/replay_local \
	tests/fuzz/replay_op \
	tests/fuzz/replay_pack \
	tests/fuzz/replay_recovery \
	tests/fuzz/replay_segment \
	tests/fuzz/replay_slot \
	tests/fuzz/replay_vault

tests_fuzz_replay_cli_SOURCES = $(FUZZ_CLI) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_cli_LDADD = $(LAYER_LIBS) $(PROGRAM_LIBS)
tests_fuzz_replay_control_SOURCES = $(FUZZ_CONTROL) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_control_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_replay_control_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_STAND_IN)
tests_fuzz_replay_frame_SOURCES = $(FUZZ_FRAME) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_frame_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_header_SOURCES = $(FUZZ_HEADER) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_header_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_index_SOURCES = $(FUZZ_INDEX) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_index_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_replay_journal_SOURCES = $(FUZZ_JOURNAL) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_journal_LDADD = src/journal/libjournal.a $(FUZZ_LIBS)
tests_fuzz_replay_local_SOURCES = $(FUZZ_LOCAL) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_local_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_replay_op_SOURCES = $(FUZZ_OP) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_op_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_pack_SOURCES = $(FUZZ_PACK) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_pack_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_recovery_SOURCES = $(FUZZ_RECOVERY) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_recovery_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_segment_SOURCES = $(FUZZ_SEGMENT) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_segment_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_slot_SOURCES = $(FUZZ_SLOT) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_slot_LDADD = $(FUZZ_LIBS)
tests_fuzz_replay_vault_SOURCES = $(FUZZ_VAULT) $(FUZZ_REPLAY_FILES)
tests_fuzz_replay_vault_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_replay_vault_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_STAND_IN)

EXTRA_PROGRAMS += tests/fuzz/make_corpus
tests_fuzz_make_corpus_SOURCES = %D%/make_corpus.c %D%/fuzz.h \
	tests/unit/op_samples.c tests/unit/op_samples.h
tests_fuzz_make_corpus_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
tests_fuzz_make_corpus_LDADD = $(FUZZ_LIBS)

if FUZZERS
FUZZ_LINK_FLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
noinst_PROGRAMS += \
	tests/fuzz/fuzz_cli \
	tests/fuzz/fuzz_control \
	tests/fuzz/fuzz_frame \
	tests/fuzz/fuzz_header \
	tests/fuzz/fuzz_index \
	tests/fuzz/fuzz_journal \
	tests/fuzz/fuzz_local \
	tests/fuzz/fuzz_op \
	tests/fuzz/fuzz_pack \
	tests/fuzz/fuzz_recovery \
	tests/fuzz/fuzz_segment \
	tests/fuzz/fuzz_slot \
	tests/fuzz/fuzz_vault

tests_fuzz_fuzz_cli_SOURCES = $(FUZZ_CLI) %D%/fuzz.h
tests_fuzz_fuzz_cli_LDADD = $(LAYER_LIBS) $(PROGRAM_LIBS)
tests_fuzz_fuzz_cli_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_control_SOURCES = $(FUZZ_CONTROL) %D%/fuzz.h
tests_fuzz_fuzz_control_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_fuzz_control_LDFLAGS = $(FUZZ_LINK_FLAGS) $(FUZZ_STAND_IN)
tests_fuzz_fuzz_frame_SOURCES = $(FUZZ_FRAME) %D%/fuzz.h
tests_fuzz_fuzz_frame_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_frame_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_header_SOURCES = $(FUZZ_HEADER) %D%/fuzz.h
tests_fuzz_fuzz_header_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_header_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_index_SOURCES = $(FUZZ_INDEX) %D%/fuzz.h
tests_fuzz_fuzz_index_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_fuzz_index_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_journal_SOURCES = $(FUZZ_JOURNAL) %D%/fuzz.h
tests_fuzz_fuzz_journal_LDADD = src/journal/libjournal.a $(FUZZ_LIBS)
tests_fuzz_fuzz_journal_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_local_SOURCES = $(FUZZ_LOCAL) %D%/fuzz.h
tests_fuzz_fuzz_local_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_fuzz_local_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_op_SOURCES = $(FUZZ_OP) %D%/fuzz.h
tests_fuzz_fuzz_op_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_op_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_pack_SOURCES = $(FUZZ_PACK) %D%/fuzz.h
tests_fuzz_fuzz_pack_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_pack_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_recovery_SOURCES = $(FUZZ_RECOVERY) %D%/fuzz.h
tests_fuzz_fuzz_recovery_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_recovery_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_segment_SOURCES = $(FUZZ_SEGMENT) %D%/fuzz.h
tests_fuzz_fuzz_segment_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_segment_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_slot_SOURCES = $(FUZZ_SLOT) %D%/fuzz.h
tests_fuzz_fuzz_slot_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_slot_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_vault_SOURCES = $(FUZZ_VAULT) %D%/fuzz.h
tests_fuzz_fuzz_vault_LDADD = $(FUZZ_VAULT_LIBS)
tests_fuzz_fuzz_vault_LDFLAGS = $(FUZZ_LINK_FLAGS) $(FUZZ_STAND_IN)
endif

EXTRA_DIST += %D%/corpus
