# Each job's hook configures the collector and starts it.
if ! snap list opentelemetry-collector >/dev/null 2>&1; then
	log "cannot measure jobs: the image has no snap opentelemetry-collector"
fi
