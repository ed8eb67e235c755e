# SPDX-License-Identifier: ISC

# COFFER_APPEND_COMPILE_FLAGS(VARIABLE, FLAGS)
# --------------------------------------------
# Appends to VARIABLE each of FLAGS that the compiler takes without a word.
# The user's CFLAGS are in force during the test, and stay as they are.
AC_DEFUN([COFFER_APPEND_COMPILE_FLAGS], [
AC_LANG_ASSERT([C])
for coffer_flag in $2; do
	AS_VAR_PUSHDEF([coffer_cache], [coffer_cv_cflags_$coffer_flag])
	AC_CACHE_CHECK([whether $CC accepts $coffer_flag], [coffer_cache], [
		coffer_saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $coffer_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
			[AS_VAR_SET([coffer_cache], [yes])],
			[AS_VAR_SET([coffer_cache], [no])])
		CFLAGS=$coffer_saved_CFLAGS
	])
	AS_VAR_IF([coffer_cache], [yes], [AS_VAR_APPEND([$1], [" $coffer_flag"])])
	AS_VAR_POPDEF([coffer_cache])
done
])

# COFFER_APPEND_LINK_FLAGS(VARIABLE, FLAGS)
# -----------------------------------------
# The same for flags of the linker, in LDFLAGS.
AC_DEFUN([COFFER_APPEND_LINK_FLAGS], [
AC_LANG_ASSERT([C])
for coffer_flag in $2; do
	AS_VAR_PUSHDEF([coffer_cache], [coffer_cv_ldflags_$coffer_flag])
	AC_CACHE_CHECK([whether the linker accepts $coffer_flag], [coffer_cache], [
		coffer_saved_CFLAGS=$CFLAGS
		coffer_saved_LDFLAGS=$LDFLAGS
		CFLAGS="$CFLAGS -Werror $HARDEN_CFLAGS"
		LDFLAGS="$LDFLAGS $coffer_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM()],
			[AS_VAR_SET([coffer_cache], [yes])],
			[AS_VAR_SET([coffer_cache], [no])])
		CFLAGS=$coffer_saved_CFLAGS
		LDFLAGS=$coffer_saved_LDFLAGS
	])
	AS_VAR_IF([coffer_cache], [yes], [AS_VAR_APPEND([$1], [" $coffer_flag"])])
	AS_VAR_POPDEF([coffer_cache])
done
])

# COFFER_FORTIFY_LEVEL
# --------------------
# Defines COFFER_FORTIFY to the greatest _FORTIFY_SOURCE that compiler and
# libc take without a warning.  config.h sets it, and only where the compiler
# optimises and nobody else has set it: so make CFLAGS=-O0 stays quiet.
AC_DEFUN([COFFER_FORTIFY_LEVEL], [
AC_CACHE_CHECK([for the level of _FORTIFY_SOURCE], [coffer_cv_fortify], [
	coffer_cv_fortify=none
	coffer_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -O2 -Werror"
	for coffer_level in 3 2; do
		AC_COMPILE_IFELSE([AC_LANG_SOURCE([
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE $coffer_level
#include <string.h>
int main(int argc, char **argv)
{
	char c;
	memcpy(&c, argv@<:@argc - 1@:>@, 1);
	return c;
}
])], [coffer_cv_fortify=$coffer_level; break])
	done
	CFLAGS=$coffer_saved_CFLAGS
])
AS_VAR_IF([coffer_cv_fortify], [none], [],
	[AC_DEFINE_UNQUOTED([COFFER_FORTIFY], [$coffer_cv_fortify],
		[The _FORTIFY_SOURCE to use, unless the user chose one.])])
])
