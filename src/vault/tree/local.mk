# Names, attributes and links, as callers change them.
src_vault_libvault_a_SOURCES += \
	%D%/held.c \
	%D%/held.h \
	%D%/holds.c \
	%D%/holds.h \
	%D%/privileges.c \
	%D%/privileges.h \
	%D%/tree.c \
	%D%/tree_attr.c \
	%D%/tree_names.c \
	%D%/tree_priv.h \
	%D%/tree_xattr.c
