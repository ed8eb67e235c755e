# The unit tests of src/fuse.  None mounts anything.
FUSE_UNIT_LIBS = src/fuse/libfuselayer.a src/base/libbase.a $(UNIT_LIBS)

check_PROGRAMS += \
	tests/unit/test_fuse_access \
	tests/unit/test_fuse_acl \
	tests/unit/test_fuse_behaviour \
	tests/unit/test_fuse_dirbuf \
	tests/unit/test_fuse_init \
	tests/unit/test_fuse_inode_table \
	tests/unit/test_fuse_loop \
	tests/unit/test_fuse_mountpoint \
	tests/unit/test_fuse_notifier \
	tests/unit/test_fuse_peek \
	tests/unit/test_fuse_spin

tests_unit_test_fuse_access_SOURCES = %D%/test_fuse_access.c
tests_unit_test_fuse_access_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_acl_SOURCES = %D%/test_fuse_acl.c
tests_unit_test_fuse_acl_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_behaviour_SOURCES = %D%/test_fuse_behaviour.c
tests_unit_test_fuse_behaviour_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_dirbuf_SOURCES = %D%/test_fuse_dirbuf.c
tests_unit_test_fuse_dirbuf_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_init_SOURCES = %D%/test_fuse_init.c
tests_unit_test_fuse_init_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_inode_table_SOURCES = %D%/test_fuse_inode_table.c
tests_unit_test_fuse_inode_table_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_loop_SOURCES = %D%/test_fuse_loop.c
tests_unit_test_fuse_loop_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_mountpoint_SOURCES = %D%/test_fuse_mountpoint.c \
	$(TEMPDIR_SOURCES)
tests_unit_test_fuse_mountpoint_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_notifier_SOURCES = %D%/test_fuse_notifier.c
tests_unit_test_fuse_notifier_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_peek_SOURCES = %D%/test_fuse_peek.c
tests_unit_test_fuse_peek_LDADD = $(FUSE_UNIT_LIBS)
tests_unit_test_fuse_spin_SOURCES = %D%/test_fuse_spin.c
tests_unit_test_fuse_spin_LDADD = $(FUSE_UNIT_LIBS)
