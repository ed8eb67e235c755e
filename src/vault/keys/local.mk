# Credentials: from a passphrase to the keys, and changing slots.
src_vault_libvault_a_SOURCES += \
	%D%/slot_make.c \
	%D%/slot_make.h \
	%D%/slots.c \
	%D%/unlock.c \
	%D%/unlock.h
