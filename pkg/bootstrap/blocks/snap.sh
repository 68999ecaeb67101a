# A snap that refreshes in the middle of a job breaks it.
if command -v snap >/dev/null; then
	timeout 60 sudo snap refresh --hold=48h || log "cannot hold snap refreshes"
	timeout 120 sudo snap watch --last=auto-refresh? || log "cannot wait for a running snap refresh"
fi
