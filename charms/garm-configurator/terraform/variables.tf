variable "app_name" {
  description = "Name of the application in the model."
  type        = string
  default     = "garm-configurator"
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
  description = "Options of the charm; each is described on Charmhub and by juju config garm-configurator."
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

variable "revision" {
  description = "Revision of the charm. The channel's newest when null."
  type        = number
  default     = null
}

variable "units" {
  description = "Units to run. More than one is of no use: the leader speaks for all."
  type        = number
  default     = 1

  validation {
    condition     = var.units >= 0
    error_message = "There cannot be fewer units than none."
  }
}
