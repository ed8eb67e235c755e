# The unit tests of src/store.

# What the tests of store and journal share, to be listed with TEMPDIR_SOURCES.
DISK_SOURCES = %D%/disk.c %D%/disk.h
STORE_FIXTURE_SOURCES = %D%/store_fixture.c %D%/store_fixture.h \
	$(DISK_SOURCES) $(TEMPDIR_SOURCES)
STAGE_FIXTURE_SOURCES = %D%/stage_fixture.c %D%/stage_fixture.h \
	$(STORE_FIXTURE_SOURCES)
STORE_UNIT_LIBS = src/store/libstore.a src/format/libformat.a \
	src/crypto/libcrypto.a src/base/libbase.a $(UNIT_LIBS)

check_PROGRAMS += \
	tests/unit/test_chunker \
	tests/unit/test_pack_writer \
	tests/unit/test_stage \
	tests/unit/test_stage_crash \
	tests/unit/test_store \
	tests/unit/test_store_damage

tests_unit_test_chunker_SOURCES = %D%/test_chunker.c
tests_unit_test_chunker_LDADD = $(STORE_UNIT_LIBS)
tests_unit_test_pack_writer_SOURCES = %D%/test_pack_writer.c \
	$(STORE_FIXTURE_SOURCES)
tests_unit_test_pack_writer_LDADD = $(STORE_UNIT_LIBS)
tests_unit_test_stage_SOURCES = %D%/test_stage.c $(STAGE_FIXTURE_SOURCES)
tests_unit_test_stage_LDADD = $(STORE_UNIT_LIBS)
tests_unit_test_stage_crash_SOURCES = %D%/test_stage_crash.c \
	$(STAGE_FIXTURE_SOURCES)
tests_unit_test_stage_crash_LDADD = $(STORE_UNIT_LIBS)
tests_unit_test_store_SOURCES = %D%/test_store.c $(STORE_FIXTURE_SOURCES)
tests_unit_test_store_LDADD = $(STORE_UNIT_LIBS)
tests_unit_test_store_damage_SOURCES = %D%/test_store_damage.c \
	$(STORE_FIXTURE_SOURCES)
tests_unit_test_store_damage_LDADD = $(STORE_UNIT_LIBS)
