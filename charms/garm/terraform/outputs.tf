output "application" {
  description = "The application, with all its attributes."
  value       = juju_application.this
}

output "app_name" {
  description = "Name of the application in the model."
  value       = juju_application.this.name
}

output "provides" {
  description = "Endpoints that garm provides."
  value = {
    grafana_dashboard = "grafana-dashboard"
    metrics_endpoint  = "metrics-endpoint"
  }
}

output "requires" {
  description = "Endpoints that garm requires."
  value = {
    debug_ssh         = "debug-ssh"
    garm_configurator = "garm-configurator"
    ingress           = "ingress"
    logging           = "logging"
    postgresql        = "postgresql"
  }
}
