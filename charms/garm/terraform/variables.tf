variable "app_name" {
  description = "Name of the application in the model."
  type        = string
  default     = "garm"
}

variable "base" {
  description = "Base to deploy on, for example ubuntu@24.04. The charm's own when null."
  type        = string
  default     = null
}

variable "channel" {
  description = "Channel of Charmhub to deploy from."
  type        = string
  default     = "latest/stable"
}

variable "config" {
  description = "Options of the charm; each is described on Charmhub and by juju config garm."
  type        = map(string)
  default     = {}
}

variable "constraints" {
  description = "Constraints of the application's pods, for example mem=1G."
  type        = string
  default     = null
}

variable "model_uuid" {
  description = "UUID of the model to deploy in."
  type        = string
  nullable    = false
}

variable "resources" {
  description = "The charm's resources by name: for app-image an OCI image or a revision on Charmhub. The channel's own when empty."
  type        = map(string)
  default     = {}
}

variable "revision" {
  description = "Revision of the charm. The channel's newest when null."
  type        = number
  default     = null
}

variable "storage_directives" {
  description = "Storage to deploy with. GARM keeps its database in data, unless PostgreSQL is integrated; it cannot be added afterwards."
  type        = map(string)
  default     = { data = "1G" }
}

variable "units" {
  description = "Units to run. One runs GARM; the others stand by."
  type        = number
  default     = 1

  validation {
    condition     = var.units >= 0
    error_message = "There cannot be fewer units than none."
  }
}
