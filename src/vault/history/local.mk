# Devices, rollback and forks, and accepting what does not fit.
src_vault_libvault_a_SOURCES += \
	%D%/accept.c \
	%D%/accept_file.c \
	%D%/accept_file.h \
	%D%/accept_seen.c \
	%D%/accept_seen.h \
	%D%/accept_tree.c \
	%D%/accept_tree.h \
	%D%/device.c \
	%D%/history.c \
	%D%/history.h
