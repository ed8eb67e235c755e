# The vault's merging against its model (tests/lib/merge_model.py).
# Not a test of its own: the oracle plays it.
EXTRA_PROGRAMS += tests/merge/device
check_DATA += tests/merge/device$(EXEEXT)
CLEANFILES += tests/merge/device$(EXEEXT)
tests_merge_device_SOURCES = %D%/device.c tests/unit/no_contents.c
tests_merge_device_LDADD = src/vault/libvault.a $(LAYER_LIBS) $(PROGRAM_LIBS)
dist_check_SCRIPTS += %D%/test_merge_oracle.py
TESTS += %D%/test_merge_oracle.py

# The rule of collecting, played by devices over copies of a folder.
check_PROGRAMS += tests/merge/collect_sim
tests_merge_collect_sim_SOURCES = %D%/collect_sim.c \
	tests/unit/commit_fixture.c tests/unit/commit_fixture.h \
	tests/unit/tempdir.c tests/unit/tempdir.h tests/unit/scale.h
tests_merge_collect_sim_LDADD = $(VAULT_UNIT_LIBS)
