# A snap that refreshes in the middle of a job breaks it.
hold_snaps() {
	if timeout 60 sudo snap refresh --hold=48h; then
		log "snap refreshes are held"
	else
		log "cannot hold snap refreshes"
	fi
	timeout 120 sudo snap watch --last=auto-refresh? || log "cannot wait for a running snap refresh"
}

if command -v snap >/dev/null; then
	hold_snaps
fi
