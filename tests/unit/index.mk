# The unit tests of src/index.
INDEX_UNIT_LIBS = src/index/libindex.a src/crypto/libcrypto.a \
	src/base/libbase.a $(UNIT_LIBS)
INDEX_UNIT_SOURCES = %D%/scale.h %D%/index_fixture.c %D%/index_fixture.h \
	%D%/tempdir.c %D%/tempdir.h
INDEX_OPEN_SOURCES = $(INDEX_UNIT_SOURCES) \
	%D%/index_open_fixture.c %D%/index_open_fixture.h

check_PROGRAMS += \
	tests/unit/test_index \
	tests/unit/test_index_chunk \
	tests/unit/test_index_disk \
	tests/unit/test_index_fault \
	tests/unit/test_index_heap \
	tests/unit/test_index_model \
	tests/unit/test_vfs

tests_unit_test_index_SOURCES = %D%/test_index.c $(INDEX_OPEN_SOURCES)
tests_unit_test_index_LDADD = $(INDEX_UNIT_LIBS)
tests_unit_test_index_chunk_SOURCES = %D%/test_index_chunk.c \
	$(INDEX_OPEN_SOURCES)
tests_unit_test_index_chunk_LDADD = $(INDEX_UNIT_LIBS)
tests_unit_test_index_disk_SOURCES = %D%/test_index_disk.c \
	$(INDEX_UNIT_SOURCES)
tests_unit_test_index_disk_LDADD = $(INDEX_UNIT_LIBS)
tests_unit_test_index_fault_SOURCES = %D%/test_index_fault.c \
	$(INDEX_UNIT_SOURCES)
tests_unit_test_index_fault_LDADD = $(INDEX_UNIT_LIBS)
# Sees each block in the moment before it is freed.
tests_unit_test_index_heap_SOURCES = %D%/test_index_heap.c
tests_unit_test_index_heap_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mem_free
tests_unit_test_index_heap_LDADD = $(INDEX_UNIT_LIBS)
tests_unit_test_index_model_SOURCES = %D%/test_index_model.c \
	$(INDEX_UNIT_SOURCES)
tests_unit_test_index_model_LDADD = $(INDEX_UNIT_LIBS)
tests_unit_test_vfs_SOURCES = %D%/test_vfs.c $(INDEX_UNIT_SOURCES)
tests_unit_test_vfs_LDADD = $(INDEX_UNIT_LIBS)

EXTRA_PROGRAMS += tests/bench/bench_index
tests_bench_bench_index_SOURCES = tests/bench/bench_index.c
tests_bench_bench_index_LDADD = src/index/libindex.a src/crypto/libcrypto.a \
	src/base/libbase.a $(PROGRAM_LIBS)
CLEANFILES += tests/bench/bench_index
