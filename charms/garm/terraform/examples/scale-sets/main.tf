# GARM and one garm-configurator application for each scale set of a map. Add a scale set by adding an entry.

terraform {
  required_version = ">= 1.6"

  required_providers {
    juju = {
      source  = "juju/juju"
      version = ">= 1.0.0, < 2.0.0"
    }
  }
}

module "garm" {
  source     = "../.."
  model_uuid = var.model_uuid
}

module "scale_set" {
  source   = "../../../../garm-configurator/terraform"
  for_each = var.scale_sets

  app_name   = each.key
  model_uuid = var.model_uuid
  config = merge(var.common, each.value, {
    name                   = each.key
    openstack-password     = juju_secret.openstack.secret_uri
    github-app-private-key = juju_secret.app_key.secret_uri
  })
}

# What is given here also stands in Terraform's state, which must be kept as secret as the values themselves.
resource "juju_secret" "openstack" {
  model_uuid = var.model_uuid
  name       = "openstack"
  value      = { value = var.openstack_password }
}

resource "juju_secret" "app_key" {
  model_uuid = var.model_uuid
  name       = "app-key"
  value      = { value = var.github_app_private_key }
}

resource "juju_access_secret" "openstack" {
  model_uuid   = var.model_uuid
  secret_id    = juju_secret.openstack.secret_id
  applications = [for scale_set in module.scale_set : scale_set.app_name]
}

resource "juju_access_secret" "app_key" {
  model_uuid   = var.model_uuid
  secret_id    = juju_secret.app_key.secret_id
  applications = [for scale_set in module.scale_set : scale_set.app_name]
}

resource "juju_integration" "garm" {
  for_each   = module.scale_set
  model_uuid = var.model_uuid

  application {
    name     = each.value.app_name
    endpoint = each.value.provides.garm_configurator
  }

  application {
    name     = module.garm.app_name
    endpoint = module.garm.requires.garm_configurator
  }
}

resource "juju_integration" "image" {
  for_each   = module.scale_set
  model_uuid = var.model_uuid

  application {
    name     = each.value.app_name
    endpoint = each.value.requires.image
  }

  application {
    name     = var.image_builder
    endpoint = "image"
  }
}
