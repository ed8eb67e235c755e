# Nodes, what operations do to them, and the view: what each name shows
# (vault-format/09-merging.md).
src_vault_libvault_a_SOURCES += \
	%D%/born.c \
	%D%/born.h \
	%D%/dot_set.c \
	%D%/dot_set.h \
	%D%/hash_set.c \
	%D%/hash_set.h \
	%D%/merge.c \
	%D%/merge.h \
	%D%/merge_check.c \
	%D%/merge_content.c \
	%D%/merge_inherit.c \
	%D%/merge_priv.h \
	%D%/merge_read.c \
	%D%/node.c \
	%D%/node.h \
	%D%/node_edit.h \
	%D%/node_rec.c \
	%D%/node_types.h \
	%D%/past_log.c \
	%D%/past_log.h \
	%D%/row_memo.h \
	%D%/settle.c \
	%D%/settle.h \
	%D%/touched.c \
	%D%/touched.h \
	%D%/view.c \
	%D%/view.h \
	%D%/view_contest.c \
	%D%/view_cycle.c \
	%D%/view_group.c \
	%D%/view_priv.h \
	%D%/view_row.c \
	%D%/view_special.c \
	%D%/view_update.c
