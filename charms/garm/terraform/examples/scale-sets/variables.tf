variable "model_uuid" {
  description = "UUID of the model to deploy in."
  type        = string
}

variable "image_builder" {
  description = "Application in the model that builds runner images."
  type        = string
}

variable "openstack_password" {
  description = "Password of the OpenStack user."
  type        = string
  sensitive   = true
}

variable "github_app_private_key" {
  description = "Private key of the GitHub App, in PEM."
  type        = string
  sensitive   = true
}

variable "common" {
  description = "Options that all scale sets have."
  type        = map(string)
  default = {
    org                           = "acme"
    os-arch                       = "amd64"
    github-app-id                 = "123456"
    github-app-installation-id    = "7891011"
    openstack-auth-url            = "https://keystone.example.com:5000/v3"
    openstack-username            = "ci"
    openstack-project-name        = "runners"
    openstack-user-domain-name    = "Default"
    openstack-project-domain-name = "Default"
    openstack-region-name         = "RegionOne"
    openstack-network             = "runners"
  }
}

variable "scale_sets" {
  description = "Options of each scale set, by its name."
  type        = map(map(string))
  default = {
    small = { flavor = "m1.small", max-runner = "10", min-idle-runner = "1" }
    large = { flavor = "m1.large", max-runner = "4", labels = "gpu" }
    arm   = { flavor = "a1.small", max-runner = "4", os-arch = "arm64" }
  }
}
