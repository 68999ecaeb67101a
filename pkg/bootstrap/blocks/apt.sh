# Jobs install packages. A mirror in the middle of its own update has no complete lists for a while.
refresh_lists() {
	local pause end=$((SECONDS + 240))
	for pause in 1 2 4 8 16 32 0; do
		timeout 90 sudo apt-get --quiet=2 -o APT::Update::Error-Mode=any update && {
			log "package lists are refreshed"
			return
		}
		[ "$SECONDS" -lt "$end" ] || break
		sleep "$pause"
	done
	log "cannot refresh the package lists"
}

if command -v apt-get >/dev/null; then
	refresh_lists
fi
