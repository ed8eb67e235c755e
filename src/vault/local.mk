# The vault: an opened one, as its callers see it, and the rooms behind it.
noinst_LIBRARIES += src/vault/libvault.a
src_vault_libvault_a_SOURCES = \
	%D%/care.h \
	%D%/core.c \
	%D%/core.h \
	%D%/core_state.c \
	%D%/core_state.h \
	%D%/counters.h \
	%D%/device.h \
	%D%/file.h \
	%D%/hold.h \
	%D%/index_life.h \
	%D%/init.c \
	%D%/life.c \
	%D%/life.h \
	%D%/open.c \
	%D%/slots.h \
	%D%/stats.c \
	%D%/stats.h \
	%D%/status.c \
	%D%/statvfs.c \
	%D%/tables.h \
	%D%/tree.h \
	%D%/vault.h \
	%D%/xattr.h
include %D%/check/local.mk
include %D%/collect/local.mk
include %D%/content/local.mk
include %D%/history/local.mk
include %D%/keys/local.mk
include %D%/log/local.mk
include %D%/merge/local.mk
include %D%/packs/local.mk
include %D%/repair/local.mk
include %D%/snapshot/local.mk
include %D%/tree/local.mk
