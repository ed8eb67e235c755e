# The state up to a version vector, written and read
# (vault-format/15-snapshots.md).
src_vault_libvault_a_SOURCES += \
	%D%/snap.h \
	%D%/snap_file.c \
	%D%/snap_load.c \
	%D%/snap_make.c \
	%D%/snap_open.c \
	%D%/snap_scratch.c \
	%D%/snap_state.h \
	%D%/snap_tidy.c \
	%D%/snap_write.c \
	%D%/snap_write_inodes.c \
	%D%/snap_write_packs.c \
	%D%/snap_write_priv.h
