output "application" {
  description = "The application, with all its attributes."
  value       = juju_application.this
}

output "app_name" {
  description = "Name of the application in the model."
  value       = juju_application.this.name
}

output "provides" {
  description = "Endpoints that garm-configurator provides."
  value = {
    garm_configurator = "garm-configurator"
  }
}

output "requires" {
  description = "Endpoints that garm-configurator requires."
  value = {
    image = "image"
  }
}
