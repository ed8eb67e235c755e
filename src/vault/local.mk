noinst_LIBRARIES += src/vault/libvault.a
src_vault_libvault_a_SOURCES = \
	%D%/vault.h %D%/tree.h %D%/xattr.h %D%/file.h %D%/hold.h \
	%D%/slots.h %D%/care.h %D%/device.h \
	%D%/core.h %D%/core.c \
	%D%/devices.h %D%/devices.c \
	%D%/held.h %D%/held.c %D%/holds.h %D%/holds.c \
	%D%/merge.h %D%/merge_priv.h %D%/merge.c \
	%D%/merge_check.c %D%/merge_content.c %D%/merge_inherit.c \
	%D%/merge_read.c %D%/privileges.h %D%/privileges.c \
	%D%/dot_set.h %D%/dot_set.c %D%/past_log.h %D%/past_log.c \
	%D%/node.h %D%/node_edit.h %D%/node_types.h %D%/node.c %D%/node_rec.c \
	%D%/oplog.h %D%/oplog.c %D%/order.h %D%/order.c %D%/row_memo.h \
	%D%/settle.h %D%/settle.c \
	%D%/snap.h %D%/snap_file.c %D%/snap_load.c %D%/snap_make.c \
	%D%/snap_open.c %D%/snap_scratch.c %D%/snap_state.h \
	%D%/snap_tidy.c %D%/snap_write.c %D%/snap_write_inodes.c \
	%D%/snap_write_packs.c %D%/snap_write_priv.h %D%/tables.h \
	%D%/born.h %D%/born.c \
	%D%/tree_priv.h %D%/tree.c %D%/tree_attr.c %D%/tree_names.c %D%/tree_xattr.c \
	%D%/view.h %D%/view_priv.h %D%/view.c \
	%D%/hash_set.h %D%/hash_set.c \
	%D%/view_contest.c %D%/view_cycle.c %D%/view_group.c \
	%D%/view_row.c %D%/view_special.c %D%/view_update.c
include %D%/content.mk
include %D%/commit.mk
include %D%/care.mk
