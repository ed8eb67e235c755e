# The unit tests of src/journal.

JOURNAL_FIXTURE_SOURCES = %D%/journal_fixture.c %D%/journal_fixture.h \
	$(DISK_SOURCES) $(TEMPDIR_SOURCES)
JOURNAL_UNIT_LIBS = src/journal/libjournal.a src/format/libformat.a \
	src/crypto/libcrypto.a src/base/libbase.a $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_journal tests/unit/test_journal_damage
tests_unit_test_journal_SOURCES = %D%/test_journal.c $(JOURNAL_FIXTURE_SOURCES)
tests_unit_test_journal_LDADD = $(JOURNAL_UNIT_LIBS)
tests_unit_test_journal_damage_SOURCES = %D%/test_journal_damage.c \
	$(JOURNAL_FIXTURE_SOURCES)
tests_unit_test_journal_damage_LDADD = $(JOURNAL_UNIT_LIBS)
