if ! command -v jq >/dev/null; then
	log "cannot tell who started a job: the image has no jq, and jobs of pull requests and comments are refused"
fi
