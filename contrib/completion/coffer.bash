# SPDX-License-Identifier: ISC
# bash completion for coffer(1).  Commands and options are taken from what
# `coffer help' prints, so they are always those of the installed program.

# The long options of a help text: the first words of lines that begin with
# blanks.
_coffer_options() {
	local line
	while IFS= read -r line; do
		if [[ $line =~ ^\ \ +(-[[:alnum:]],\ )?(--[a-z-]+) ]]; then
			printf '%s\n' "${BASH_REMATCH[2]}"
		fi
	done
}

# $1: "" for the first words of commands, or "key" or "device" for what follows.
_coffer_commands() {
	local line
	coffer help 2>/dev/null | while IFS= read -r line; do
		[[ $line =~ ^\ \ ([a-z]+)(\ ([a-z]+))?\ \  ]] || continue
		if [[ -z $1 ]]; then
			printf '%s\n' "${BASH_REMATCH[1]}"
		elif [[ ${BASH_REMATCH[1]} == "$1" ]]; then
			printf '%s\n' "${BASH_REMATCH[3]}"
		fi
	done | sort -u
}

_coffer_mount_words="ro allow_other allow_root profile=balanced profile=safe \
profile=fast idle= nonempty mlock cache= dirty= index= quota= uid= gid= umask= noxattr \
noseccomp noatime atime relatime nodiratime default_permissions permissions=kernel permissions=daemon \
fsname= passfile= passcmd= keyfile= no_passphrase state_dir= no_state"

_coffer() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} first=2
	COMPREPLY=()

	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_coffer_commands '') --help --version" -- "$current")
		return
	fi
	if [[ $command == help ]]; then
		((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W \
			"$(_coffer_commands '')" -- "$current")
		[[ ${COMP_WORDS[2]} == @(key|device) ]] && ((COMP_CWORD == 3)) &&
			mapfile -t COMPREPLY < <(compgen -W \
				"$(_coffer_commands "${COMP_WORDS[2]}")" \
				-- "$current")
		return
	fi
	if [[ $command == @(key|device) ]]; then
		if ((COMP_CWORD == 2)); then
			mapfile -t COMPREPLY < <(compgen -W \
				"$(_coffer_commands "$command")" -- "$current")
			return
		fi
		command="$command ${COMP_WORDS[2]}"
		first=3
	fi
	if ((COMP_CWORD >= first)) && [[ $current == -* ]]; then
		# The command's name is one word or two.
		# shellcheck disable=SC2086
		mapfile -t COMPREPLY < <(compgen -W \
			"$(coffer help $command 2>/dev/null | _coffer_options)" \
			-- "$current")
		return
	fi
	case $before in
	-o | --options)
		local done=${current%"${current##*,}"}
		mapfile -t COMPREPLY < <(compgen -P "$done" -W \
			"$_coffer_mount_words" -- "${current##*,}")
		compopt -o nospace 2>/dev/null
		return
		;;
	--pass-fd | --new-pass-fd | --kdf-passes | --kdf-memory | --label | \
		--interval | \
		--device-name)
		return
		;;
	--from | --state-dir)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$current")
		return
		;;
	--passcmd | --new-passcmd)
		mapfile -t COMPREPLY < <(compgen -c -- "$current")
		return
		;;
	esac
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

complete -F _coffer coffer
