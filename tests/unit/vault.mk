# The unit tests of src/vault.

# Some fixtures stand in for objects of the library: they come before it, so that
# nothing asks the archive for what they define.  If a test needs such an object
# too, the linker finds two definitions and fails, as it should.
VAULT_UNIT_LIBS = src/vault/libvault.a src/journal/libjournal.a \
	src/index/libindex.a src/store/libstore.a src/cache/libcache.a \
	src/format/libformat.a src/crypto/libcrypto.a src/base/libbase.a \
	$(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_holds
tests_unit_test_holds_SOURCES = %D%/test_holds.c %D%/scale.h
tests_unit_test_holds_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_node
tests_unit_test_node_SOURCES = %D%/test_node.c
tests_unit_test_node_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_oplog
tests_unit_test_oplog_SOURCES = %D%/test_oplog.c
tests_unit_test_oplog_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_stable
tests_unit_test_stable_SOURCES = %D%/test_stable.c
tests_unit_test_stable_LDADD = $(VAULT_UNIT_LIBS)

# Opening, cutting, publishing, receiving, credentials.
COMMIT_FIXTURE = %D%/commit_fixture.c %D%/commit_fixture.h \
	%D%/tempdir.c %D%/tempdir.h

check_PROGRAMS += tests/unit/test_open
tests_unit_test_open_SOURCES = %D%/test_open.c $(COMMIT_FIXTURE)
tests_unit_test_open_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_check
tests_unit_test_check_SOURCES = %D%/test_check.c $(COMMIT_FIXTURE)
tests_unit_test_check_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_commit
tests_unit_test_commit_SOURCES = %D%/test_commit.c $(COMMIT_FIXTURE) \
	%D%/fault_env.c %D%/fault_env.h
tests_unit_test_commit_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_collect
tests_unit_test_collect_SOURCES = %D%/test_collect.c $(COMMIT_FIXTURE)
tests_unit_test_collect_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_idle
tests_unit_test_idle_SOURCES = %D%/test_idle.c $(COMMIT_FIXTURE) \
	%D%/fault_env.c %D%/fault_env.h
tests_unit_test_idle_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_past_log
tests_unit_test_past_log_SOURCES = %D%/test_past_log.c $(COMMIT_FIXTURE)
tests_unit_test_past_log_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_history
tests_unit_test_history_SOURCES = %D%/test_history.c $(COMMIT_FIXTURE) \
	%D%/scale.h
tests_unit_test_history_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_receive
tests_unit_test_receive_SOURCES = %D%/test_receive.c $(COMMIT_FIXTURE) \
	%D%/fault_env.c %D%/fault_env.h
tests_unit_test_receive_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_snapshot
tests_unit_test_snapshot_SOURCES = %D%/test_snapshot.c $(COMMIT_FIXTURE)
tests_unit_test_snapshot_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_slots
tests_unit_test_slots_SOURCES = %D%/test_slots.c $(COMMIT_FIXTURE)
tests_unit_test_slots_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_unlock_work
tests_unit_test_unlock_work_SOURCES = %D%/test_unlock_work.c $(COMMIT_FIXTURE)
tests_unit_test_unlock_work_LDADD = $(VAULT_UNIT_LIBS)
tests_unit_test_unlock_work_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=kdf_argon2id -Wl,--wrap=secret_equal -Wl,--wrap=aead_open

# Contents of files.
CONTENT_FIXTURE = %D%/content_fixture.c %D%/content_fixture.h \
	$(STORE_FIXTURE_SOURCES)

check_PROGRAMS += tests/unit/test_layer
tests_unit_test_layer_SOURCES = %D%/test_layer.c
tests_unit_test_layer_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_quota
tests_unit_test_quota_SOURCES = %D%/test_quota.c $(CONTENT_FIXTURE)
tests_unit_test_quota_LDADD = $(VAULT_UNIT_LIBS)
tests_unit_test_quota_LDFLAGS = $(FIXTURE_LINK)

check_PROGRAMS += tests/unit/test_workers
tests_unit_test_workers_SOURCES = %D%/test_workers.c
tests_unit_test_workers_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_extents
tests_unit_test_extents_SOURCES = %D%/test_extents.c $(CONTENT_FIXTURE)
tests_unit_test_extents_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_content
tests_unit_test_content_SOURCES = %D%/test_content.c $(CONTENT_FIXTURE)
tests_unit_test_content_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_content_fault
tests_unit_test_content_fault_SOURCES = %D%/test_content_fault.c \
	$(CONTENT_FIXTURE)
tests_unit_test_content_fault_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_content_model
tests_unit_test_content_model_SOURCES = %D%/test_content_model.c \
	$(CONTENT_FIXTURE)
tests_unit_test_content_model_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_tree
tests_unit_test_tree_SOURCES = %D%/test_tree.c %D%/no_contents.c \
	%D%/tree_fixture.c %D%/tree_fixture.h
tests_unit_test_tree_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_tree_xattr
tests_unit_test_tree_xattr_SOURCES = %D%/test_tree_xattr.c %D%/no_contents.c \
	%D%/tree_fixture.c %D%/tree_fixture.h
tests_unit_test_tree_xattr_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_held
tests_unit_test_held_SOURCES = %D%/test_held.c %D%/no_contents.c \
	%D%/tree_fixture.c %D%/tree_fixture.h
tests_unit_test_held_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_view
tests_unit_test_view_SOURCES = %D%/test_view.c %D%/no_contents.c \
	%D%/tree_fixture.c %D%/tree_fixture.h
tests_unit_test_view_LDADD = $(VAULT_UNIT_LIBS)

check_PROGRAMS += tests/unit/test_merge
tests_unit_test_merge_SOURCES = %D%/test_merge.c %D%/no_contents.c \
	%D%/tree_fixture.c %D%/tree_fixture.h
tests_unit_test_merge_LDADD = $(VAULT_UNIT_LIBS)

EXTRA_PROGRAMS += tests/bench/bench_tree
tests_bench_bench_tree_SOURCES = tests/bench/bench_tree.c
tests_bench_bench_tree_LDADD = src/vault/libvault.a \
	src/journal/libjournal.a src/index/libindex.a src/store/libstore.a \
	src/cache/libcache.a src/format/libformat.a src/crypto/libcrypto.a \
	src/base/libbase.a $(PROGRAM_LIBS)
CLEANFILES += tests/bench/bench_tree
