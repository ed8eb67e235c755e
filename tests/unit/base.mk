BASE_UNIT_LIBS = src/base/libbase.a $(UNIT_LIBS)
TEMPDIR_SOURCES = %D%/tempdir.c %D%/tempdir.h

check_PROGRAMS += \
	tests/unit/test_block \
	tests/unit/test_buf \
	tests/unit/test_clock \
	tests/unit/test_cursor \
	tests/unit/test_diag \
	tests/unit/test_env \
	tests/unit/test_err \
	tests/unit/test_hex \
	tests/unit/test_lock \
	tests/unit/test_lock_ranks \
	tests/unit/test_mem \
	tests/unit/test_publish

tests_unit_test_block_SOURCES = %D%/test_block.c $(TEMPDIR_SOURCES)
tests_unit_test_block_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_buf_SOURCES = %D%/test_buf.c
tests_unit_test_buf_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_clock_SOURCES = %D%/test_clock.c
tests_unit_test_clock_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_cursor_SOURCES = %D%/test_cursor.c
tests_unit_test_cursor_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_diag_SOURCES = %D%/test_diag.c
tests_unit_test_diag_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_env_SOURCES = %D%/test_env.c $(TEMPDIR_SOURCES)
tests_unit_test_env_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_err_SOURCES = %D%/test_err.c
tests_unit_test_err_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_hex_SOURCES = %D%/test_hex.c
tests_unit_test_hex_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_lock_SOURCES = %D%/test_lock.c
tests_unit_test_lock_LDADD = $(BASE_UNIT_LIBS)
# Its own copy of lock.c, with the checks that other builds leave out.
tests_unit_test_lock_ranks_SOURCES = %D%/test_lock_ranks.c src/base/lock.c
tests_unit_test_lock_ranks_CPPFLAGS = $(AM_CPPFLAGS) -DCOFFER_DEBUG_LOCKS
tests_unit_test_lock_ranks_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_mem_SOURCES = %D%/test_mem.c
tests_unit_test_mem_LDADD = $(BASE_UNIT_LIBS)
tests_unit_test_publish_SOURCES = %D%/test_publish.c $(TEMPDIR_SOURCES)
tests_unit_test_publish_LDADD = $(BASE_UNIT_LIBS)
