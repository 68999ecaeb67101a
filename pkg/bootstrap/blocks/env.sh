# The runner reads KEY=value lines of this file, each value up to the end of its line, without any quoting.
# What a prepared image has there stays, but for the keys that are set here: so a second boot repeats none.
write_env() {
	local file=$RUN_HOME/.env new line keys=()
	[ "${#env[@]}" -gt 0 ] || return 0
	for line in "${env[@]}"; do
		keys+=(-e "^${line%%=*}=")
	done
	new=$(mktemp) || return
	# grep ends its last line in a newline even where the file does not.
	{ sudo cat "$file" 2>/dev/null | grep -av "${keys[@]}"; printf '%s\n' "${env[@]}"; } >"$new"
	sudo install -T -m 0644 -o "$(id -u)" -g "$(id -g)" "$new" "$file"
	set -- $?
	rm -f "$new"
	return "$1"
}

if write_env; then
	log "the runner has ${#env[@]} settings in $RUN_HOME/.env"
else
	log "cannot write $RUN_HOME/.env"
	failed=1
fi
