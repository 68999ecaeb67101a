
# quoted VALUE: VALUE as one YAML scalar. The collector expands "$" in it, so that a workflow's name could read files,
# and refuses a file that has what YAML calls not printable.
quoted() {
	local LC_ALL=C.UTF-8 value=$1 quote="'"
	value=${value//[[:cntrl:]$'\xEF\xBB\xBF\xEF\xBF\xBE\xEF\xBF\xBF']/ }
	value=${value//\$/\$\$}
	printf "'%s'" "${value//$quote/$quote$quote}"
}

attribute() {
	printf '      - {key: %s, action: upsert, value: %s}\n' "$1" "$(quoted "$2")"
}

attributes() {
	attribute service.name self-hosted-runner
	attribute github.repository "${GITHUB_REPOSITORY-}"
	attribute github.runner "${RUNNER_NAME-}"
	attribute github.workflow "${GITHUB_WORKFLOW-}"
	attribute github.job "${GITHUB_JOB-}"
	attribute github.run.id "${GITHUB_RUN_ID-}"
	attribute github.run.attempt "${GITHUB_RUN_ATTEMPT-}"
	attribute host.arch "$(uname -m)"
}

collector_config() {
	cat <<CONFIG
receivers:
  hostmetrics:
    collection_interval: 10s
    scrapers:
      cpu:
        metrics:
          system.cpu.logical.count: {enabled: true}
          system.cpu.physical.count: {enabled: true}
      memory: {}
      disk: {}
      filesystem: {}
      network: {}
      load: {}
  otlp:
    protocols:
      grpc: {endpoint: "0.0.0.0:44317"}
      http: {endpoint: "0.0.0.0:44318"}
  loki:
    protocols:
      http: {endpoint: "0.0.0.0:43100"}
  filelog:
    include: [/var/log/syslog]
    operators:
      - {type: filter, expr: 'not (body contains "aproxy.aproxy")'}
processors:
  resource/job:
    attributes:
$(attributes)
  resource/loki:
    attributes:
      - key: loki.resource.labels
        action: upsert
        value: service.name, github.repository, github.runner, github.workflow, github.job, github.run.id, github.run.attempt, host.arch
exporters:
  otlp/self_hosted_runner:
    endpoint: $(quoted "$otel_endpoint")
    tls: {insecure: $otel_insecure}
service:
  pipelines:
    metrics/host:
      receivers: [hostmetrics]
      processors: [resource/job]
      exporters: [otlp/self_hosted_runner]
    metrics/otlp:
      receivers: [otlp]
      processors: [resource/job]
      exporters: [otlp/self_hosted_runner]
    traces/otlp:
      receivers: [otlp]
      processors: [resource/job]
      exporters: [otlp/self_hosted_runner]
    logs/otlp:
      receivers: [otlp]
      processors: [resource/job, resource/loki]
      exporters: [otlp/self_hosted_runner]
    logs/loki:
      receivers: [loki]
      processors: [resource/job, resource/loki]
      exporters: [otlp/self_hosted_runner]
    logs/aproxy:
      receivers: [filelog]
      processors: [resource/job, resource/loki]
      exporters: [otlp/self_hosted_runner]
CONFIG
}

start_collector() {
	local file=/etc/otelcol/config.d/github.yaml
	sudo mkdir -p "${file%/*}" && collector_config | sudo tee "$file" >/dev/null || return
	# An image may have the snap enabled already, which snap calls an error.
	timeout 30 sudo snap enable opentelemetry-collector 2>/dev/null
	timeout 30 sudo snap start opentelemetry-collector
}

start_collector >/dev/null || log "cannot start the OpenTelemetry collector"
